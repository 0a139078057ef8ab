"""Prepared speech as a safetensors file: what a segment, the sound track and the captions need."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from services.common.errors import ProblemError
from services.talkinghead.client import CAPTIONS
from services.talkinghead.difftalk.audio_encoder import REACH, windows_between
from services.talkinghead.schemas import Caption
from services.talkinghead.speech.actions import ACTIONS


@dataclass(frozen=True)
class PreparedSpeech:
    """T frames of speech at 25 fps, or the slice of them that a segment needs (``client.slice_speech`` cuts it)."""

    actions: NDArray[np.float32]  # (T, 11), free of jitter
    features: NDArray[np.float32]  # (2 T, n) at 50 Hz, of the kind that the model was trained with
    soundtrack: bytes = b""  # AAC in MP4; a slice has none
    captions: tuple[Caption, ...] = ()  # of a text that is spoken; a slice has none
    first_frame: int = 0
    """Of the whole speech: where the arrays begin."""
    frames_in_all: int | None = None
    """Of the whole speech; None where this is the whole."""

    @property
    def frames(self) -> int:
        """Of the whole speech."""
        return len(self.actions) if self.frames_in_all is None else self.frames_in_all

    def actions_between(self, first: int, last: int) -> NDArray[np.float32]:
        """(last - first, 11) of frames ``[first, last)`` of the whole speech. Raises invalid_request."""
        self._check(first, last)
        return self.actions[first - self.first_frame : last - self.first_frame]

    def windows_between(self, first: int, last: int) -> NDArray[np.float32]:
        """(last - first, 8, 16, n) of the same frames, as they are cut from the whole speech."""
        self._check(max(first - REACH, 0), min(last + REACH, self.frames))
        return windows_between(self.features, first - self.first_frame, last - self.first_frame)

    def to_bytes(self) -> bytes:
        """As safetensors; ``from_bytes`` reads it."""
        data: bytes = save(
            {
                "actions": np.ascontiguousarray(self.actions),
                "features": np.ascontiguousarray(self.features),
                "soundtrack": np.frombuffer(self.soundtrack, np.uint8),
                "captions": np.frombuffer(CAPTIONS.dump_json(list(self.captions)), np.uint8),
                "span": np.array([self.first_frame, self.frames], np.int64),
            }
        )
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises invalid_request where ``data`` is not what ``to_bytes`` or ``client.slice_speech`` wrote."""
        try:
            arrays = load(data)
            actions, features = (np.asarray(arrays[key], np.float32) for key in ("actions", "features"))
            soundtrack = arrays["soundtrack"].tobytes() if "soundtrack" in arrays else b""
            captions = CAPTIONS.validate_json(arrays["captions"].tobytes()) if "captions" in arrays else []
            first, frames = (int(place) for place in arrays["span"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise ProblemError(
                "invalid_request",
                f"speech: it is no prepared speech ({error}); POST /v1/speech makes one",
                param="speech",
            ) from None
        shapes = (actions.shape, features.shape)
        count = len(actions)
        sound = actions.shape == (count, len(ACTIONS)) and features.ndim == 2 and len(features) == 2 * count
        if not sound or not count or first < 0 or first + count > frames:
            raise ProblemError(
                "invalid_request",
                f"speech: its arrays have the shapes {shapes}, from frame {first} of {frames} on",
                param="speech",
            )
        return cls(actions, features, soundtrack, tuple(captions), first, frames)

    def _check(self, first: int, last: int) -> None:
        here = self.first_frame, self.first_frame + len(self.actions)
        if first < here[0] or last > here[1]:
            raise ProblemError(
                "invalid_request",
                f"speech: the slice holds frames {here[0]} to {here[1]}, the segment needs {first} to {last}",
                param="speech",
            )
