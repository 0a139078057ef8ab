import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from services.talkinghead.speech.whisper import LogMel, mel_filters


def test_mel_filters_are_whisper_s():
    expected = mel_filter_bank(201, 80, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filters().numpy(), expected.T, atol=1e-6)


def test_log_mel_has_a_column_per_10_ms_and_whisper_s_range():
    wave = torch.from_numpy(np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32))
    log_mel = LogMel()(wave[None])
    assert log_mel.shape == (1, 80, 100)
    assert log_mel.max() - log_mel.min() <= 2.0 + 1e-5  # 80 dB, in units of 40 dB


def test_a_tone_lands_in_its_band():
    wave = torch.from_numpy(np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32))
    band = int(LogMel()(wave[None])[0, :, 50].argmax())
    assert mel_filters()[band].argmax() * 40 == 1000  # 40 Hz per bin
