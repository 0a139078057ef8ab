"""How well lips and sound go together over a whole clip, by lags of whole frames at 25 fps up to 0.6 s."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.talkinghead.speech.actions import FPS
from services.talkinghead.sync.expert import FRAMES, SyncExpert, mouths_of, sound_at

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]
Number = TypeVar("Number", bound=np.generic)

MOST_FRAMES: Final = 15
_NEAR_S: Final = 0.03
"""A picture stands for a moment that it is no further from; at 22 fps every moment has one."""
_BATCH: Final = 32


@dataclass(frozen=True)
class Runs:
    """Rows of five moments at 25 fps that all have a picture."""

    pictures: NDArray[np.int64]  # (W, 5) which of the N pictures
    places: NDArray[np.int64]  # (W,) the frame at which each begins

    @classmethod
    def of(cls, times_s: Floats) -> "Runs":
        """``times_s`` (N,) are the middles of the pictures, rising."""
        moments_s = (np.arange(int(times_s[-1] * FPS) + 1) + 0.5) / FPS
        after = np.clip(np.searchsorted(times_s, moments_s), 1, len(times_s) - 1)
        nearest = after - (moments_s - times_s[after - 1] <= times_s[after] - moments_s)
        known = np.abs(times_s[nearest] - moments_s) <= _NEAR_S
        firsts = [n for n in range(len(known) - FRAMES + 1) if known[n : n + FRAMES].all()]
        places = np.array(firsts, np.int64)
        return cls(nearest[places[:, None] + np.arange(FRAMES)], places)

    def around(self) -> NDArray[np.int64]:
        """(W, 31) the frames at which the sound of each run begins, for every lag: earliest first."""
        return self.places[:, None] + np.arange(-MOST_FRAMES, MOST_FRAMES + 1)


@torch.inference_mode()
def expert_agreement(
    expert: SyncExpert, squares: Bytes, times_s: Floats, samples: NDArray[np.float32]
) -> tuple[float | None, int | None]:
    """Confidence, and by how many ms the mouth comes after the sound; None where no five moments in a row are shown.

    Args:
        expert: on the CPU.
        squares: (N, 128, 128, 3).
        times_s: (N,) middles of the frames.
        samples: (S,) at 16 kHz.

    The confidence is SyncNet's (section 4.2): the best of 31 lags over the median lag, here in mean cosines.
    """
    runs = Runs.of(times_s)
    if not len(runs.places):
        return None, None
    images = torch.from_numpy(np.moveaxis(squares, -1, -3).astype(np.float32) / np.float32(127.5) - 1)
    mouths = mouths_of(images, squares.shape[1])
    seen = torch.cat([expert.see(mouths[torch.from_numpy(part)]) for part in in_parts(runs.pictures, _BATCH)])
    wanted, back = np.unique(runs.around(), return_inverse=True)
    heard = torch.cat([expert.hear(sound_at(samples, part)) for part in in_parts(wanted, _BATCH)])
    by_lag = (seen[:, None] * heard[torch.from_numpy(back.reshape(runs.around().shape))]).sum(-1).mean(0)
    best = int(by_lag.argmax())
    # sound from before the picture that fits best: the mouth is late
    return float(by_lag[best] - by_lag.median()), (MOST_FRAMES - best) * 1000 // FPS


def in_parts(rows: NDArray[Number], most: int) -> Iterator[NDArray[Number]]:
    """At most so many at a time: pictures and their features fill the memory fast."""
    for start in range(0, len(rows), most):
        yield rows[start : start + most]


def best_and_median(distances: Tensor) -> tuple[float, float]:
    """(W, 31) distances -> the smallest of the lags' means, and how far the median lag lies above it."""
    by_lag = distances.mean(0)
    return float(by_lag.min()), float(by_lag.median() - by_lag.min())
