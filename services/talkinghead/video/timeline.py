"""The times of a source video's frames -> a constant frame rate, and which frame is shown when."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

_ALIKE: Final = 0.02
"""A header's frame rate that differs from the frames' own by less is the exact one (30000/1001 and not 29.97)."""

HIGHEST_FPS: Final = 240


@dataclass(frozen=True)
class Timeline:
    """``shown`` (N,) tells which decoded frame stands at each place of the video at ``fps``.

    The rate's denominator is at most 1001, as of every rate in use (30000/1001).
    """

    fps: Fraction
    shown: NDArray[np.int64]
    steady: bool
    """Were the frames evenly spaced, so that each is shown exactly once?"""

    @classmethod
    def of(cls, stamps: NDArray[np.int64], time_base: Fraction, guessed_fps: Fraction) -> Self:
        """``stamps`` (S,): time stamps of the decoded frames, rising.

        The rate is that of the usual distance of two frames; where frames are missing the one before is shown longer.
        """
        if len(stamps) == 1:
            return cls(min(guessed_fps.limit_denominator(1001), Fraction(HIGHEST_FPS)), np.zeros(1, np.int64), True)
        times_s = (stamps - stamps[0]) * float(time_base)
        measured = 1 / float(np.median(np.diff(times_s)))
        fps = guessed_fps if abs(guessed_fps / measured - 1) < _ALIKE else Fraction(measured)
        fps = min(fps.limit_denominator(1001), Fraction(HIGHEST_FPS))
        places = times_s * float(fps)
        count = round(places[-1]) + 1
        middles = (places[1:] + places[:-1]) / 2  # from here on the next frame is the nearer one
        shown = np.searchsorted(middles, np.arange(count), side="right")
        return cls(fps, shown, count == len(stamps) and bool((shown == np.arange(count)).all()))


def back_and_forth(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Places of a video of ``count`` frames that is played to its end, back to its start, and so on."""
    if count == 1:
        return np.zeros_like(numbers)
    place = numbers % (2 * count - 2)
    return np.minimum(place, 2 * count - 2 - place)
