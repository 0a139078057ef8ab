"""From the encoder's features to a small hidden vector per 20 ms and facial actions per video frame."""

from typing import Final

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.speech.whisper import WIDTH

HIDDEN: Final = 64


class ResidualConvolution(nn.Module):
    """Five steps wide: 100 ms at 50 Hz, 200 ms at 25 fps, about the reach of co-articulation."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.conv = nn.Conv1d(channels, channels, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)"""
        return x + F.gelu(self.conv(self.drop(x)))


class SpeechHead(nn.Module):
    """Features (B, 2 T, 512) -> hidden (B, 2 T, 64), actions (B, T, 11), logit of "somebody speaks" (B, T)."""

    def __init__(self, dropout: float = 0.15) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.inward = nn.Conv1d(WIDTH, 128, 3, padding=1)
        self.listen = nn.Sequential(ResidualConvolution(128, dropout), ResidualConvolution(128, dropout))
        self.hidden = nn.Conv1d(128, HIDDEN, 1)
        self.to_frames = nn.Conv1d(HIDDEN, 96, 4, stride=2, padding=1)
        self.blend = ResidualConvolution(96, dropout)
        self.outward = nn.Conv1d(96, len(ACTIONS) + 1, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 2 T, 512) -> hidden (B, 2 T, 64), actions (B, T, 11), logit of speaking (B, T)"""
        x = F.gelu(self.inward(self.drop(self.norm(features)).transpose(1, 2)))
        hidden = self.hidden(self.listen(x)).transpose(1, 2)
        hidden = F.layer_norm(hidden, (HIDDEN,))
        out = self.outward(self.blend(F.gelu(self.to_frames(hidden.transpose(1, 2))))).transpose(1, 2)
        return hidden, out[..., :-1], out[..., -1]
