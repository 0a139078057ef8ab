"""Landmark condition: pose and contour without the mouth (DiffTalk, section 3.2)."""

import torch
from torch import Tensor, nn

from services.talkinghead.difftalk.configuration import CONDITION_CHANNELS

KEPT_LANDMARKS = (*range(4), *range(13, 48))
"""39 of the 68 points: the jaw's upper ends, brows, nose, eyes. The chin and the mouth would tell the answer."""


class LandmarkEncoder(nn.Module):
    """39 landmarks -> 64 values."""

    def __init__(self, centre_px: float = 0.0, scale_px: float = 1.0) -> None:
        super().__init__()
        self.centre_px, self.scale_px = centre_px, scale_px
        self.layers = nn.Sequential(
            nn.Linear(2 * len(KEPT_LANDMARKS), 128),
            nn.LeakyReLU(0.02),
            nn.Linear(128, 64),
            nn.LeakyReLU(0.02),
            nn.Linear(64, CONDITION_CHANNELS),
        )

    def forward(self, landmarks: Tensor) -> Tensor:
        """All 68 landmarks (B, 68, 2), pixels (x, y) of the face square -> condition (B, 64)."""
        kept = landmarks[:, torch.tensor(KEPT_LANDMARKS, device=landmarks.device)]
        condition: Tensor = self.layers(((kept - self.centre_px) / self.scale_px).flatten(1))
        return condition
