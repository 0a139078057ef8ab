"""The One Euro filter (Casiez, Roussel and Vogel, 2012), run forward and backward: calm without delay."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SPEED_CUTOFF_HZ: Final = 2.0


def smooth(
    signal: NDArray[np.float32], rate_hz: float, min_cutoff_hz: float, speed_coefficient: float
) -> NDArray[np.float64]:
    """(T, ...) signal -> the same, free of jitter; the mean of both directions has no phase.

    ``speed_coefficient``: hertz of cutoff for each unit per second that the signal moves.
    """
    forward = _one_way(signal, rate_hz, min_cutoff_hz, speed_coefficient)
    backward = _one_way(signal[::-1], rate_hz, min_cutoff_hz, speed_coefficient)[::-1]
    return (forward + backward) / 2


def _one_way(
    signal: NDArray[np.float32], rate_hz: float, min_cutoff_hz: float, speed_coefficient: float
) -> NDArray[np.float64]:
    """A low pass whose cutoff rises with the signal's own speed: calm at rest, quick at a plosive."""
    made = np.zeros(signal.shape)
    if not len(signal):
        return made
    value, speed = signal[0].astype(float), np.zeros(signal.shape[1:])
    for t, sample in enumerate(signal):
        speed += _weight(_SPEED_CUTOFF_HZ, rate_hz) * ((sample - value) * rate_hz - speed)
        cutoff_hz = min_cutoff_hz + speed_coefficient * np.abs(speed)
        value = value + _weight(cutoff_hz, rate_hz) * (sample - value)
        made[t] = value
    return made


def _weight(cutoff_hz: float | NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    ratio = 2 * np.pi * np.asarray(cutoff_hz) / rate_hz
    return ratio / (1 + ratio)
