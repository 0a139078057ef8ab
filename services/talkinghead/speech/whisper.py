"""Speech features: log-mel spectrogram and the first layers of Whisper's encoder.

A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2. Lips follow
sounds, not words, so the first layers do: ``weights/speech/README.md`` has what two of them reach.
"""

import math
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from services.talkinghead.speech.actions import SAMPLE_RATE_HZ

FFT_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
MEL_BANDS: Final = 80
WIDTH: Final = 512
HEADS: Final = 8
MAX_POSITIONS: Final = 1500
"""The encoder knows 30 s: 1500 positions of 20 ms."""


def mel_filters() -> Tensor:
    """Slaney's mel scale (linear below 1 kHz, logarithmic above), triangles of equal area: (80, 201)."""
    linear_hz, log_from_hz, log_step = 200 / 3, 1000.0, math.log(6.4) / 27
    log_from_mel = log_from_hz / linear_hz
    top_mel = log_from_mel + math.log(SAMPLE_RATE_HZ / 2 / log_from_hz) / log_step
    mel = torch.linspace(0, top_mel, MEL_BANDS + 2, dtype=torch.float64)
    edges_hz = torch.where(
        mel < log_from_mel, mel * linear_hz, log_from_hz * torch.exp(log_step * (mel - log_from_mel))
    )
    bins_hz = torch.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1, dtype=torch.float64)
    widths = edges_hz.diff()
    slopes = edges_hz[:, None] - bins_hz[None]  # (82, 201)
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return (triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).float()


class LogMel(nn.Module):
    """16 kHz waves (B, samples) -> log-mel spectrograms (B, 80, samples // 160), scaled as Whisper expects."""

    filters: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """(B, samples) -> (B, 80, samples // 160)"""
        spectrum = torch.stft(wave, FFT_SAMPLES, HOP_SAMPLES, window=self.window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        log_mel = (self.filters @ power).clamp_min(1e-10).log10()
        floor = log_mel.amax((1, 2), keepdim=True) - 8.0
        return (torch.maximum(log_mel, floor) + 4.0) / 4.0


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's fixed position table (length, width): sines, then cosines."""
    step = math.log(10_000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head self-attention over (B, T, 512), named as `transformers` names it."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.k_proj = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 512) -> (B, T, 512)"""
        q, k, v = (  # (B, heads, T, WIDTH / heads)
            project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        out: Tensor = self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.self_attn = Attention()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 512) -> (B, T, 512)"""
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return out


class WhisperEncoder(nn.Module):
    """The first ``layers`` layers of whisper-base's encoder; weights carry the names that `transformers` gives them."""

    positions: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MEL_BANDS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(layers))
        self.register_buffer("positions", sinusoids(MAX_POSITIONS, WIDTH), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(B, 80, 2 N) with N <= 1500 -> (B, N, 512), one vector per 20 ms."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(log_mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x
