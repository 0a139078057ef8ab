"""Whisper's encoder as features: the packaged first layers, or any folder as `transformers` has it."""

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch

from services.talkinghead.speech.actions import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from services.talkinghead.speech.features.checkpoint import load_pretrained
from services.talkinghead.speech.features.extractor import RATE_HZ, Floats, Heard
from services.talkinghead.speech.network import SpeechNetwork
from services.talkinghead.speech.whisper import WIDTH
from services.talkinghead.speech.windows import WINDOW_FRAMES, over_windows

_KINDS: Final = {"whisper": "WhisperModel"}
_POSITIONS: Final = WINDOW_FRAMES * RATE_HZ // FPS


class PackagedWhisperFeatures:
    """The first layers of whisper-base, which ship with the project."""

    values = WIDTH

    def __init__(self, network: SpeechNetwork) -> None:
        self._network = network

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, 512)."""
        return self._network.features(heard.samples)


class WhisperFeatures:
    """A whole encoder (arXiv 2212.04356, section 2.2), its last layer."""

    def __init__(self, network: Any) -> None:
        """``network`` is a ``WhisperModel``."""
        from transformers import WhisperFeatureExtractor  # noqa: PLC0415 - of the extra "features"

        positions = network.config.max_source_positions
        if positions != _POSITIONS:
            raise ValueError(f"max_source_positions is {positions}; Whisper hears 30 s, {_POSITIONS} positions")
        self._encoder = network.encoder.eval()
        self._log_mel = WhisperFeatureExtractor(feature_size=network.config.num_mel_bins)
        self.values = int(network.config.d_model)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read safetensors and JSON; no code of the folder runs. Raises ``ValueError`` naming what is wrong."""
        return cls(load_pretrained(folder, _KINDS).network)

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, width of the model)."""
        return over_windows(heard.samples, self._encode, 2)

    @torch.inference_mode()
    def _encode(self, samples: Floats) -> Floats:
        # The encoder takes 30 s and nothing else; silence fills up the rest.
        mel = self._log_mel(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        features = self._encoder(mel).last_hidden_state[0, : 2 * len(samples) // SAMPLES_PER_FRAME]
        return np.asarray(features.numpy(), np.float32)
