"""Windows of audio features for the denoiser's audio encoder (DiffTalk, section 3.2)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 16
"""Feature vectors of 20 ms per window."""
NEIGHBOURS: Final = 8
"""Windows of neighbouring frames that temporal attention weighs."""


def audio_windows(hidden: NDArray[np.float32], frames: slice) -> NDArray[np.float32]:
    """What the audio encoder reads for the video frames ``frames`` (25 fps; a slice with a start and a stop >= 0).

    ``hidden``: (2 T, C) at 50 Hz. Returns (n_frames, 8, 16, C): axis 1 holds the windows of frames i-4 .. i+3,
    axis 2 the 16 vectors around a frame: its own two are number 7 and 8. Outside of the speech all is zero.
    """
    start, stop = frames.start, frames.stop
    before_frames = NEIGHBOURS // 2
    before_vectors = WINDOW // 2 - 1
    first = 2 * (start - before_frames) - before_vectors
    last = 2 * (stop - 1 + NEIGHBOURS - 1 - before_frames) - before_vectors + WINDOW
    padded = np.zeros((last - first, hidden.shape[1]), np.float32)
    inside = slice(max(first, 0), max(min(last, len(hidden)), first, 0))
    padded[inside.start - first : inside.stop - first] = hidden[inside]
    offsets = (
        2 * np.arange(stop - start)[:, None, None]
        + 2 * np.arange(NEIGHBOURS)[None, :, None]
        + np.arange(WINDOW)[None, None, :]
    )
    windows: NDArray[np.float32] = padded[offsets]
    return windows
