"""A patch discriminator (Isola et al., arXiv 1611.07004): is this bit of a picture real or decoded?"""

from typing import Final

import torch
from torch import Tensor, nn

_CHANNELS: Final = (64, 128, 256)
_GROUPS: Final = 8
_SLOPE: Final = 0.2


class PatchDiscriminator(nn.Module):
    """Three strided convolutions, as VQGAN has them (arXiv 2012.09841); normalised by groups, for batches are small."""

    def __init__(self) -> None:
        super().__init__()
        first, *others = _CHANNELS
        layers: list[nn.Module] = [nn.Conv2d(3, first, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        for inputs, outputs in zip(_CHANNELS, others, strict=False):
            layers += [
                nn.Conv2d(inputs, outputs, 4, 2, 1),
                nn.GroupNorm(_GROUPS, outputs),
                nn.LeakyReLU(_SLOPE),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(_CHANNELS[-1], 1, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1, H/8, W/8), higher where it takes the picture for real."""
        believed: Tensor = self.layers(images)
        return believed


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """The discriminator's loss (arXiv 1705.02894)."""
    return (torch.relu(1 - real).mean() + torch.relu(1 + made).mean()) / 2
