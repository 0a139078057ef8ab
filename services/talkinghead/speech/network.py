"""The speech network: any length of speech -> facial actions and loudness, on the video's clock."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from services.talkinghead.speech.actions import SAMPLES_PER_FRAME
from services.talkinghead.speech.head import SpeechHead
from services.talkinghead.speech.whisper import LogMel, WhisperEncoder
from services.talkinghead.speech.windows import over_windows

FloatArray = NDArray[np.float32]

SILENCE_RMS: Final = 3e-4
"""-70 dBFS: below it nobody is heard, whatever the network believes."""
SPEECH_PROBABILITY: Final = 0.5
LEAD_FRAMES: Final = 2
HANGOVER_FRAMES: Final = 4
"""Lips get ready 80 ms before a sound and close 160 ms after the last one."""
RAMP_FRAMES: Final = 5


@dataclass(frozen=True)
class Speech:
    """What T video frames (25 fps) of speech hold; T = ceil(samples / 640)."""

    actions: FloatArray
    """(T, 11) in [0, 1], columns as in ``ACTIONS``; exactly 0 where nobody speaks."""
    loudness: FloatArray
    """(T,) root mean square of the frame's samples."""


class SpeechNetwork:
    """Whisper's first layers and a small head, trained on synthetic voices whose phone times are known."""

    def __init__(self, encoder: WhisperEncoder, head: SpeechHead) -> None:
        self._log_mel = LogMel()
        self._encoder, self._head = encoder.eval(), head.eval()

    @classmethod
    def load(cls, folder: Path) -> "SpeechNetwork":
        """Read ``encoder.safetensors`` and ``head.safetensors``."""
        encoder_weights = load_file(folder / "encoder.safetensors")
        layers = {int(name.split(".")[1]) for name in encoder_weights if name.startswith("layers.")}
        encoder, head = WhisperEncoder(len(layers)), SpeechHead()
        encoder.load_state_dict(encoder_weights)
        head.load_state_dict(load_file(folder / "head.safetensors"))
        return cls(encoder, head)

    def __call__(self, wave: FloatArray) -> Speech:
        """``wave``: float32 mono at 16 kHz in [-1, 1], at least one sample. Memory is flat but for the result."""
        if wave.ndim != 1 or len(wave) == 0:
            raise ValueError(f"wave has shape {wave.shape}, expected (samples,) with at least one sample")
        outputs = over_windows(wave, self._outputs, 1)  # the last column is the logit of speech
        loudness = _loudness(wave)
        gate = speech_gate(outputs[:, -1], loudness)
        return Speech(np.clip(outputs[:, :-1], 0, 1) * gate[:, None], loudness)

    def features(self, wave: FloatArray) -> FloatArray:
        """``wave`` as above -> what the encoder hears in it: (2 T, 512), one vector per 20 ms."""
        return over_windows(wave, lambda samples: self._encode(samples)[0].numpy(), 2)

    @torch.inference_mode()
    def _outputs(self, samples: FloatArray) -> FloatArray:
        """Up to 30 s of whole frames -> actions and the logit of speech (T, 12)."""
        _hidden, actions, speaking = self._head(self._encode(samples))
        return torch.cat([actions[0], speaking[0, :, None]], dim=1).numpy()

    @torch.inference_mode()
    def _encode(self, samples: FloatArray) -> Tensor:
        """Up to 30 s of whole frames -> (1, 2 T, 512)."""
        features: Tensor = self._encoder(self._log_mel(torch.from_numpy(samples)[None]))
        return features


def _loudness(wave: FloatArray) -> FloatArray:
    """(T,) root mean square of each frame's samples, the last one filled up with silence."""
    whole = len(wave) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME
    parts = [wave[:whole].reshape(-1, SAMPLES_PER_FRAME), wave[None, whole:]][: 1 + (whole < len(wave))]
    squares = [np.einsum("ts,ts->t", part, part) for part in parts]  # no copy as large as the speech
    return np.sqrt(np.concatenate(squares) / SAMPLES_PER_FRAME).astype(np.float32)


def speech_gate(logits: FloatArray, loudness: FloatArray) -> FloatArray:
    """(T,) in [0, 1]: 1 where somebody speaks, a short ramp around it, exactly 0 elsewhere.

    A frame holds speech where the network says so (``logits`` > 0) and it is louder than -70 dBFS. Speech is widened by
    80 ms before and 160 ms after; five frames of ramp make the release smooth.
    """
    heard = (logits > np.log(SPEECH_PROBABILITY / (1 - SPEECH_PROBABILITY))) & (loudness > SILENCE_RMS)
    wide = np.convolve(heard, np.ones(LEAD_FRAMES + HANGOVER_FRAMES + 1, np.int64)) > 0
    wide = wide[LEAD_FRAMES : LEAD_FRAMES + len(heard)]
    votes = np.convolve(wide, np.ones(RAMP_FRAMES, np.int64), mode="full")[RAMP_FRAMES // 2 :][: len(heard)]
    return (votes / RAMP_FRAMES).astype(np.float32)
