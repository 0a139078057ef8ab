"""Speech of any length through a network that hears 30 s at a time."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.speech.actions import FPS, SAMPLES_PER_FRAME

Floats = NDArray[np.float32]

WINDOW_FRAMES: Final = 30 * FPS
OVERLAP_FRAMES: Final = 2 * FPS
"""Neighbouring windows fade into each other over two seconds, so that their edges (which lack context) do not show."""


def over_windows(wave: Floats, encode: Callable[[Floats], Floats], per_frame: int) -> Floats:
    """(samples,) at 16 kHz -> (per_frame T, C) for its T = ceil(samples / 640) video frames.

    ``encode`` takes up to 30 s of whole frames (640 t,) and answers (per_frame t, C). Memory is flat but for what
    is made.
    """
    frames = -(-len(wave) // SAMPLES_PER_FRAME)
    hop = WINDOW_FRAMES - OVERLAP_FRAMES
    made: Floats | None = None
    for start in range(0, max(frames - OVERLAP_FRAMES, 1), hop):
        stop = min(start + WINDOW_FRAMES, frames)
        samples = wave[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        encoded = encode(np.pad(samples, (0, (stop - start) * SAMPLES_PER_FRAME - len(samples))))
        fade = np.ones((stop - start) * per_frame, np.float32)
        ramp = (np.arange(OVERLAP_FRAMES * per_frame, dtype=np.float32) + 0.5) / (OVERLAP_FRAMES * per_frame)
        if start > 0:
            fade[: len(ramp)] = ramp
        if start + hop < frames - OVERLAP_FRAMES:  # another window follows
            fade[-len(ramp) :] = ramp[::-1]
        if made is None:
            made = np.zeros((frames * per_frame, encoded.shape[1]), np.float32)
        made[start * per_frame : stop * per_frame] += fade[:, None] * encoded
    assert made is not None  # noqa: S101 - the loop runs at least once
    return made
