import numpy as np
import torch
from safetensors.torch import load_file
from transformers import WhisperConfig
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder as PublishedEncoder

from services.common.settings import REPOSITORY
from services.talkinghead.speech.whisper import LogMel, WhisperEncoder, mel_filters


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


@torch.no_grad()
def test_the_encoder_agrees_with_the_published_one_on_30_s(voice):
    weights = load_file(REPOSITORY / "weights" / "speech" / "encoder.safetensors")
    ours = WhisperEncoder(2).eval()
    ours.load_state_dict(weights)
    config = WhisperConfig(
        d_model=512, encoder_layers=2, encoder_attention_heads=8, encoder_ffn_dim=2048, num_mel_bins=80
    )
    published = PublishedEncoder(config).eval()
    missing, unexpected = published.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    assert set(missing) == {"embed_positions.weight", "layer_norm.weight", "layer_norm.bias"}  # fixed, or behind ours
    assert not unexpected
    published.layer_norm = torch.nn.Identity()

    wave = torch.from_numpy(np.resize(voice, 30 * 16_000).astype(np.float32))
    log_mel = LogMel()(wave[None])
    expected = published(log_mel).last_hidden_state
    assert (ours(log_mel) - expected).abs().max() < 1e-3 * expected.std()
