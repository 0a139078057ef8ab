"""A small SyncNet (Chung and Zisserman, "Out of time", 2016): pictures of a mouth and sound, as vectors of one space.

Five pictures in a row and the 0.2 s of sound that belong to them lie near each other, other sound lies away. As a loss
it tells a made mouth that its moment is wrong; as a measure it tells by how much, see `sync.agreement`.
"""

import math
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from services.talkinghead.difftalk.configuration import SMALL
from services.talkinghead.speech.actions import SAMPLES_PER_FRAME
from services.talkinghead.speech.whisper import HOP_SAMPLES, MEL_BANDS, LogMel

FRAMES: Final = 5
SAMPLES: Final = FRAMES * SAMPLES_PER_FRAME
MEL_FRAMES: Final = SAMPLES // HOP_SAMPLES
MOUTH: Final = SMALL.window
"""What is looked at: 64 x 48 px of the face square at 128 px."""

_SQUARE: Final = 128
_VALUES: Final = 256
_GROUPS: Final = 8
_FIRST_TEMPERATURE: Final = 0.07  # CLIP's, arXiv 2103.00020


class SyncExpert(nn.Module):
    """Both halves, and how sharply they are compared."""

    def __init__(self) -> None:
        super().__init__()
        seen = ((3 * FRAMES, 32, (2, 2)), (32, 64, (2, 2)), (64, 128, (2, 2)), (128, 128, (2, 2)))
        heard = ((1, 32, (2, 1)), (32, 64, (2, 2)), (64, 128, (2, 2)), (128, 128, (2, 1)))
        self.eye = _half(seen, MOUTH.height // 16 * (MOUTH.width // 16))
        self.ear = _half(heard, MEL_BANDS // 16 * (MEL_FRAMES // 4))
        self.sharpness = nn.Parameter(torch.tensor(-math.log(_FIRST_TEMPERATURE)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ValueError: the file does not hold an expert."""
        expert = cls()
        try:
            expert.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"sync-expert: {path} does not hold a sync expert's weights ({str(error).splitlines()[0]})"
            ) from None
        return expert.eval().requires_grad_(False)

    def see(self, mouths: Tensor) -> Tensor:
        """(B, 5, 3, 48, 64) in [-1, 1] -> unit vectors (B, 256)."""
        return nn.functional.normalize(self.eye(mouths.flatten(1, 2)), dim=-1)

    def hear(self, sound: Tensor) -> Tensor:
        """Log-mel (B, 80, 20) -> unit vectors (B, 256)."""
        return nn.functional.normalize(self.ear(sound[:, None]), dim=-1)

    def forward(self, mouths: Tensor, sound: Tensor) -> Tensor:
        """How well each of B mouths goes with each of B sounds: logits (B, B), of those that belong on the diagonal."""
        logits: Tensor = self.sharpness.exp() * self.see(mouths) @ self.hear(sound).T
        return logits


def _half(layers: tuple[tuple[int, int, tuple[int, int]], ...], cells: int) -> nn.Sequential:
    modules: list[nn.Module] = []
    for inputs, outputs, stride in layers:
        modules += [nn.Conv2d(inputs, outputs, 5 if inputs < 32 else 3, stride, padding=2 if inputs < 32 else 1)]
        modules += [nn.GroupNorm(_GROUPS, outputs), nn.SiLU()]
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(layers[-1][1] * cells, _VALUES))


def mouths_of(images: Tensor, square_px: int, top_px: int = 0, left_px: int = 0) -> Tensor:
    """The mouths in pictures (..., 3, H, W) -> (..., 3, 48, 64).

    ``images`` are the face square of ``square_px``, or a part of it that begins at (top_px, left_px).
    """
    scale = square_px // _SQUARE
    top, left = MOUTH.top * scale - top_px, MOUTH.left * scale - left_px
    cut = images[..., top : top + MOUTH.height * scale, left : left + MOUTH.width * scale]
    if scale == 1:
        return cut
    small = nn.functional.avg_pool2d(cut.flatten(0, -4), scale)
    return small.reshape(*images.shape[:-2], MOUTH.height, MOUTH.width)


def sound_at(wave: NDArray[np.float32], places: NDArray[np.int64]) -> Tensor:
    """(S,) at 16 kHz and the first frames (n,) of runs, which may lie outside of it -> log-mel (n, 80, 20)."""
    reach = np.arange(SAMPLES)
    samples = places[:, None] * SAMPLES_PER_FRAME + reach
    inside = (samples >= 0) & (samples < len(wave))
    runs = np.where(inside, wave[np.clip(samples, 0, len(wave) - 1)], 0).astype(np.float32)
    sound: Tensor = LogMel()(torch.from_numpy(runs))
    return sound


def contrast(logits: Tensor) -> Tensor:
    """Cross-entropy of the right sound among those of the batch, and of the right mouth (CLIP, arXiv 2103.00020)."""
    right = torch.arange(len(logits), device=logits.device)
    cross_entropy = nn.functional.cross_entropy
    return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
