"""The interface of all speech features, and the clock that they share."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE_HZ: Final = 50
"""Feature vectors a second: two for each frame of video (DiffTalk, section 3.2: intervals of 20 ms)."""


@dataclass(frozen=True)
class Heard:
    """A whole speech of T video frames at 25 fps."""

    samples: Floats  # (S,) mono at 16 kHz
    actions: Floats  # (T, 11) facial actions, free of jitter
    supplied: bytes | None = None
    """A file of features that the caller brought along."""


class FeatureExtractor(Protocol):
    """One kind of speech features. A model must be given the kind that it was trained with."""

    values: int
    """Per feature vector: the n of ``[frames, 8, 16, n]``."""

    def __call__(self, heard: Heard) -> Floats:
        """(2 T, values) at 50 Hz, vector k over the 20 ms from k / 50 s on. Raises ``ProblemError``."""
        ...


def resample(features: Floats, rate_hz: float, count: int) -> Floats:
    """(N, C) vectors at ``rate_hz`` -> (count, C) at 50 Hz, linear between the middles; the ends are held."""
    place = np.clip((np.arange(count) + 0.5) * (rate_hz / RATE_HZ) - 0.5, 0, len(features) - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(features) - 1)
    weight = (place - before).astype(np.float32)[:, None]
    return np.asarray((1 - weight) * features[before] + weight * features[after], np.float32)
