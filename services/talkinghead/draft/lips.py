"""The inner edges of the lips as two smooth curves, from landmarks 60-67, in axes that lie along the mouth."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float32]

UPPER_INNER: Final = [60, 61, 62, 63, 64]
"""Inner edge of the upper lip, from the right corner of the mouth (image left) to the left one."""
LOWER_INNER: Final = [60, 67, 66, 65, 64]

CLOSED_BELOW: Final = 0.08
OPEN_ABOVE: Final = 0.12
"""Inner opening over mouth width. Detected on closed lips it is 0.01 to 0.07, on a smile with teeth 0.15: below the
first figure a gap is the detector's noise, above the second it is a mouth that stands open."""

_SAMPLES: Final = 65
_LEAST_ARCH: Final = 0.3
"""Where a landmark lies next to a corner, as in a pout or a face half turned, its gap says little of the middle."""


@dataclass(frozen=True)
class MouthAxes:
    """Axes of the mouth: the first runs from corner 48 to corner 54, the second points to the chin."""

    origin: Floats  # (2,)
    along: Floats  # (2,) unit vector

    @classmethod
    def of(cls, landmarks: Floats) -> Self:
        across = landmarks[54] - landmarks[48]
        return cls((landmarks[48] + landmarks[54]) / 2, across / np.linalg.norm(across))

    @property
    def down(self) -> Floats:
        """(2,) unit vector, to the chin."""
        return np.array([-self.along[1], self.along[0]], np.float32)

    def to_mouth(self, points: Floats) -> Floats:
        """(..., 2) points -> (..., 2) along and below the mouth."""
        x, y = np.moveaxis(points - self.origin, -1, 0)
        c, s = self.along
        return np.stack([c * x + s * y, c * y - s * x], -1)


@dataclass(frozen=True)
class LipCurves:
    """Both inner edges over the same abscissa; beyond the corners they go on at the height of the corners.

    Between a corner and the landmark next to it lies a quarter of the mouth. There the gap closes in an arch, as it
    does between parted lips: a straight line would count the dark of the corners to the lips.
    """

    along: Floats  # (n,)
    upper: Floats  # (n,)
    lower: Floats  # (n,), never above ``upper``

    @classmethod
    def through(cls, landmarks: Floats, axes: MouthAxes) -> Self:
        """(68, 2) landmarks in the same unit as ``axes`` -> curves."""
        points: Floats = axes.to_mouth(landmarks)
        along = np.linspace(points[60, 0], points[64, 0], _SAMPLES, dtype=np.float32)
        upper, lower = (_edge(points[edge], along) for edge in (UPPER_INNER, LOWER_INNER))
        middle = (upper + lower) / 2
        reach = _arch(along, points[[60, 64], 0])
        pairs = points[UPPER_INNER[1:-1]], points[LOWER_INNER[1:-1]]
        places = ((pairs[0][:, 0] + pairs[1][:, 0]) / 2).astype(np.float32)
        gaps = np.maximum(pairs[1][:, 1] - pairs[0][:, 1], 0)  # 0 for pressed lips: the edges meet half way
        gap = reach * np.interp(along, places, gaps / np.maximum(_arch(places, points[[60, 64], 0]), _LEAST_ARCH))
        return cls(along, (middle - gap / 2).astype(np.float32), (middle + gap / 2).astype(np.float32))

    def at(self, along: Floats) -> tuple[Floats, Floats]:
        """Heights of the upper and the lower edge at each abscissa."""
        return (
            np.interp(along, self.along, self.upper).astype(np.float32),
            np.interp(along, self.along, self.lower).astype(np.float32),
        )

    def within(self, along: Floats) -> Floats:
        """0 at the corners and beyond them, 1 in the middle between them, in an arch."""
        return _arch(along, self.along[[0, -1]])

    def coverage(self, points: Floats, softness: float) -> Floats:
        """How far (0 to 1) each of (..., 2) points in mouth axes lies between the lips; edges ``softness`` wide."""
        upper, lower = self.at(points[..., 0])
        below, above = points[..., 1] - upper, lower - points[..., 1]
        inside = np.clip(below / softness, 0, 1) * np.clip(above / softness, 0, 1)
        return np.where((points[..., 0] > self.along[0]) & (points[..., 0] < self.along[-1]), inside, 0)


def lip_heights(landmarks: Floats) -> Floats:
    """(2,) of the upper and the lower lip of (68, 2) landmarks, in the middle, from its outer to its inner edge."""
    pairs = (([50, 51, 52], [61, 62, 63]), ([58, 57, 56], [67, 66, 65]))
    return np.array([np.linalg.norm(landmarks[a] - landmarks[b], axis=1).mean() for a, b in pairs], np.float32)


def opening_ratio(landmarks: Floats) -> Floats:
    """Mean distance of the three inner pairs over the width of the mouth, for (..., 68, 2) landmarks."""
    gap = np.linalg.norm(landmarks[..., [61, 62, 63], :] - landmarks[..., [67, 66, 65], :], axis=-1).mean(-1)
    width = np.linalg.norm(landmarks[..., 54, :] - landmarks[..., 48, :], axis=-1)
    return np.asarray(gap / width, np.float32)


def standing_open(landmarks: Floats) -> float:
    """0 where the lips of (68, 2) landmarks are closed, 1 where the mouth stands open, between them a smooth step."""
    step = float(np.clip((opening_ratio(landmarks) - CLOSED_BELOW) / (OPEN_ABOVE - CLOSED_BELOW), 0, 1))
    return step * step * (3 - 2 * step)


def close_seam(landmarks: Floats) -> Floats:
    """(68, 2) landmarks with the inner pairs of closed lips drawn together: there a gap is noise and hides no teeth."""
    closed = landmarks.copy()
    keep = standing_open(landmarks)
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        middle = (landmarks[upper] + landmarks[lower]) / 2
        closed[upper] = middle + keep * (landmarks[upper] - middle)
        closed[lower] = middle + keep * (landmarks[lower] - middle)
    return closed


def _arch(along: Floats, ends: Floats) -> Floats:
    """An arch of height 1 over the abscissas between both ``ends``, 0 beyond them: fuller than half an ellipse."""
    middle, half = ends.mean(), max(float(ends[1] - ends[0]) / 2, 1e-3)
    return np.asarray(np.sqrt(np.clip(1 - np.abs((along - middle) / half) ** 3, 0, 1)), np.float32)


def _edge(points: Floats, along: Floats) -> Floats:
    """A monotone cubic through five points, which keeps the curve from swinging beyond them."""
    x = np.maximum.accumulate(points[:, 0] + 1e-3 * np.arange(len(points), dtype=np.float32))
    x += 1e-3 * np.arange(len(points), dtype=np.float32)
    return np.asarray(PchipInterpolator(x, points[:, 1], extrapolate=True)(along), np.float32)
