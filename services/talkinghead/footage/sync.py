"""Do lips and sound go together, and by how much is the sound late?

What the speech network hears is turned into the lips that it asks for, and compared with the lips that are seen, at
every lag. Changes from frame to frame are compared, not positions: they tell the moment more sharply, and syllables,
which come about four a second, echo less at other lags.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.footage.clip import Floats
from services.talkinghead.speech.actions import FPS

MOST_FRAMES: Final = 15
"""Lags up to 0.6 s to either side are tried."""
_SURE: Final = 3.5
"""The correlation of N frames that have nothing to do with each other varies by 1 / sqrt(N). On the clips tried the
best of 31 lags reaches 3.2 times that for sound of another clip, and 3.8 to 9 times that for their own, from six
seconds on."""
LEAST_FRAMES: Final = 6 * FPS
"""With less than six seconds of speech nothing is said against a clip."""

Run = tuple[Floats, Floats]
"""Landmarks (n, 68, 2) in the face square, and facial actions (n + 2 * MOST_FRAMES, 11) from MOST_FRAMES earlier on."""


@dataclass(frozen=True)
class Agreement:
    """How well lips and sound go together at the best lag."""

    lag_s: float
    """By how much the sound comes late; negative where it comes early."""
    correlation: float
    frames: int

    @property
    def sure(self) -> bool:
        """Is it more than chance?"""
        return self.correlation >= _SURE / math.sqrt(max(self.frames, 1))


def agreement(runs: Iterable[Run], basis: Floats) -> Agreement:
    """Over unbroken runs of one source; ``basis`` (11, 68, 2) gives the shifts of the landmarks in mouth widths."""
    products = np.zeros((2 * MOST_FRAMES + 1, 5))
    seen_power, heard_power = np.zeros(5), np.zeros((2 * MOST_FRAMES + 1, 5))
    frames = 0
    for landmarks, actions in runs:
        rest = landmarks.mean(0)
        width = float(np.linalg.norm(landmarks[:, 54] - landmarks[:, 48], axis=1).mean())
        seen = np.diff(_measures(landmarks), axis=0)
        heard = np.diff(_measures(rest + width * np.tensordot(actions, basis, 1)), axis=0)
        for lag in range(2 * MOST_FRAMES + 1):
            shifted = heard[lag : lag + len(seen)]
            products[lag] += (seen * shifted).sum(0)
            heard_power[lag] += np.square(shifted).sum(0)
        seen_power += np.square(seen).sum(0)
        frames += len(seen)
    curve = (products / np.sqrt(seen_power * heard_power + 1e-12)).mean(1)
    best = int(curve.argmax())
    return Agreement((best + _between(curve, best) - MOST_FRAMES) / FPS, float(curve[best]), frames)


def _measures(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 5): inner and outer opening, width, chin and lower lip below the nose."""
    y, x = landmarks[..., 1].astype(np.float64), landmarks[..., 0].astype(np.float64)
    inner = (y[:, 65:68] - y[:, [63, 62, 61]]).mean(1)
    return np.stack([inner, y[:, 57] - y[:, 51], x[:, 54] - x[:, 48], y[:, 8] - y[:, 33], y[:, 57] - y[:, 33]], axis=1)


def _between(curve: NDArray[np.float64], best: int) -> float:
    """Where between two lags the peak lies, by a parabola through three."""
    if not 0 < best < len(curve) - 1:
        return 0.0
    before, top, after = curve[best - 1 : best + 2]
    return float(0.5 * (before - after) / (before - 2 * top + after - 1e-12))
