"""Letter logits of wav2vec 2.0 (arXiv 2006.11477) or HuBERT (arXiv 2106.07447), from a folder of `transformers`."""

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch

from services.talkinghead.speech.actions import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from services.talkinghead.speech.features.checkpoint import load_pretrained
from services.talkinghead.speech.features.extractor import Floats, Heard, resample
from services.talkinghead.speech.windows import over_windows

_KINDS: Final = {"wav2vec2": "Wav2Vec2ForCTC", "hubert": "HubertForCTC"}
_TINY: Final = 1e-7  # as the published preprocessing has it


class Wav2Vec2Features:
    """A network with a CTC head."""

    def __init__(self, network: Any, *, normalises: bool) -> None:
        """``network`` is a ``Wav2Vec2ForCTC`` or a ``HubertForCTC``; ``normalises``: it wants waves of variance one."""
        self._network, self._normalises = network.eval(), normalises
        self.values = int(network.config.vocab_size)
        span, self._stride = 1, 1
        for kernel, stride in zip(network.config.conv_kernel, network.config.conv_stride, strict=True):
            span += (kernel - 1) * self._stride
            self._stride *= stride
        # A vector hears `span` samples. Half of what lies beyond its stride goes to either side, so that vector k is
        # the one about the middle of its 20 ms, and none is missing at the ends.
        beyond = max(span - self._stride, 0)
        self._margin = (beyond // 2, beyond - beyond // 2)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read safetensors and JSON; no code of the folder runs. Raises ``ValueError`` naming what is wrong."""
        loaded = load_pretrained(folder, _KINDS)
        return cls(loaded.network, normalises=bool(loaded.preprocessing.get("do_normalize", True)))

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, letters)."""
        wave = heard.samples
        if self._normalises:
            mean, deviation = float(wave.mean(dtype=np.float64)), float(wave.std(dtype=np.float64))
            return over_windows(wave, lambda part: self._encode((part - mean) / (deviation**2 + _TINY) ** 0.5), 2)
        return over_windows(wave, self._encode, 2)

    @torch.inference_mode()
    def _encode(self, samples: Floats) -> Floats:
        wave = torch.from_numpy(np.pad(samples, self._margin).astype(np.float32))
        logits = self._network(wave[None]).logits[0].numpy()
        return resample(logits, SAMPLE_RATE_HZ / self._stride, 2 * len(samples) // SAMPLES_PER_FRAME)
