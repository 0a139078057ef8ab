"""Prepared speech as a safetensors file: what a segment and the sound track need, and nothing of the words."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from services.common.errors import ProblemError
from services.talkinghead.speech.actions import ACTIONS


@dataclass(frozen=True)
class PreparedSpeech:
    """T frames of speech at 25 fps."""

    actions: NDArray[np.float32]  # (T, 11), free of jitter
    loudness: NDArray[np.float32]  # (T,)
    soundtrack: bytes  # AAC in MP4

    @property
    def frames(self) -> int:
        return len(self.actions)

    def to_bytes(self) -> bytes:
        data: bytes = save(
            {
                "actions": np.ascontiguousarray(self.actions),
                "loudness": np.ascontiguousarray(self.loudness),
                "soundtrack": np.frombuffer(self.soundtrack, np.uint8),
            }
        )
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises invalid_request where ``data`` is not what ``to_bytes`` wrote."""
        try:
            arrays = load(data)
            actions, loudness = (np.asarray(arrays[key], np.float32) for key in ("actions", "loudness"))
            soundtrack = arrays["soundtrack"].tobytes()
        except (SafetensorError, KeyError, ValueError) as error:
            raise ProblemError(
                "invalid_request",
                f"speech: it is no prepared speech ({error}); POST /v1/speech makes one",
                param="speech",
            ) from None
        frames = len(actions)
        shapes = (actions.shape, loudness.shape)
        if frames == 0 or shapes != ((frames, len(ACTIONS)), (frames,)):
            raise ProblemError("invalid_request", f"speech: its arrays have the shapes {shapes}", param="speech")
        return cls(actions, loudness, soundtrack)
