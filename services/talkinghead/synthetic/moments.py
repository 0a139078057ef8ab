"""Which frames of a sentence are rendered: enough to see every mouth, in rows long enough to see it move."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

RUNS: Final = 6
RUN_FRAMES: Final = 5
"""What a sync expert looks at, see `sync.expert`."""


def moments(rng: np.random.Generator, n_frames: int) -> NDArray[np.int64]:
    """Numbers of frames, rising: the first, which is the face at rest, and six runs of five or as many as there are."""
    count = min(RUNS, (n_frames - 1) // RUN_FRAMES)
    spare = n_frames - 1 - count * RUN_FRAMES
    starts = 1 + np.sort(rng.integers(0, spare + 1, count)) + RUN_FRAMES * np.arange(count)
    return np.asarray(np.r_[0, (starts[:, None] + np.arange(RUN_FRAMES)).reshape(-1)], np.int64)
