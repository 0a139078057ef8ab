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


@dataclass(frozen=True)
class MouthAxes:
    """Axes of the mouth: the first runs from corner 48 to corner 54, the second points to the chin."""

    origin: Floats  # (2,)
    along: Floats  # (2,) unit vector

    @classmethod
    def of(cls, landmarks: Floats) -> Self:
        across = landmarks[54] - landmarks[48]
        return cls((landmarks[48] + landmarks[54]) / 2, across / np.linalg.norm(across))

    def to_mouth(self, points: Floats) -> Floats:
        """(..., 2) points -> (..., 2) along and below the mouth."""
        x, y = np.moveaxis(points - self.origin, -1, 0)
        c, s = self.along
        return np.stack([c * x + s * y, c * y - s * x], -1)


@dataclass(frozen=True)
class LipCurves:
    """Both inner edges over the same abscissa; beyond the corners they go on at the height of the corners."""

    along: Floats  # (n,)
    upper: Floats  # (n,)
    lower: Floats  # (n,), never above ``upper``

    @classmethod
    def through(cls, landmarks: Floats, axes: MouthAxes) -> Self:
        """(68, 2) landmarks in the same unit as ``axes`` -> curves."""
        points = axes.to_mouth(landmarks)
        along = np.linspace(points[60, 0], points[64, 0], _SAMPLES, dtype=np.float32)
        upper, lower = (_edge(points[edge], along) for edge in (UPPER_INNER, LOWER_INNER))
        crossed = np.maximum(upper - lower, 0) / 2  # pressed lips: the edges meet half way
        return cls(along, upper - crossed, lower + crossed)

    def at(self, along: Floats) -> tuple[Floats, Floats]:
        """Heights of the upper and the lower edge at each abscissa."""
        return (
            np.interp(along, self.along, self.upper).astype(np.float32),
            np.interp(along, self.along, self.lower).astype(np.float32),
        )

    def coverage(self, points: Floats, softness: float) -> Floats:
        """How far (0 to 1) each of (..., 2) points in mouth axes lies between the lips; edges ``softness`` wide."""
        upper, lower = self.at(points[..., 0])
        below, above = points[..., 1] - upper, lower - points[..., 1]
        inside = np.clip(below / softness, 0, 1) * np.clip(above / softness, 0, 1)
        return np.where((points[..., 0] > self.along[0]) & (points[..., 0] < self.along[-1]), inside, 0)


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


def _edge(points: Floats, along: Floats) -> Floats:
    """A monotone cubic through five points, which keeps the curve from swinging beyond them."""
    x = np.maximum.accumulate(points[:, 0] + 1e-3 * np.arange(len(points), dtype=np.float32))
    x += 1e-3 * np.arange(len(points), dtype=np.float32)
    return np.asarray(PchipInterpolator(x, points[:, 1], extrapolate=True)(along), np.float32)
