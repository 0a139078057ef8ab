"""Is something before the mouth: a hand, a cup, a microphone?

The landmarker answers through whatever covers a mouth, but then it guesses, and guesses anew for every way the face is
cut: its own disagreement tells. No model of hands or things is needed.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, median_filter

from services.common.faces.landmarks import Landmarker, mirrored
from services.talkinghead.draft.warp import Bytes
from services.talkinghead.face.square import FaceSquare, Floats

COVERED_PORTRAIT: Final = 0.9
"""Disagreement from which a still portrait is warned of. Seen mouths of six paintings and seven photos: 0.32 to 0.69;
covered ones in the median 0.9 to 1.9."""

_CUTS: Final = ((-5, -3, 1.0, 0.0), (5, 3, 1.08, 0.08), (4, -4, 0.95, -0.1), (-3, 5, 1.15, 0.05))
"""Shift in units of the face square, scale and turn in radians of each cut, as far as a detector's boxes differ."""
_CENTRE: Final = np.array([64, 70], np.float32)
_EDGE: Final = 118.0

_COVERED: Final = (0.65, 0.9)
_OVER_USUAL: Final = 1.7
"""A frame is covered where the disagreement exceeds this multiple of what is usual in its video, within these bounds: a
beard or a blurred face is always less sure."""
_USUAL_PERCENTILE: Final = 20

_STEADY_FRAMES: Final = 5
"""The median over so many frames decides: a hand stays longer than that, the landmarker's slips do not."""
_BESIDE_FRAMES: Final = 3
"""Frames before and behind, in which a hand comes and goes, count as covered, too."""


def disagreement(landmarker: Landmarker, pixels: Bytes, landmarks: Floats) -> float:
    """Standard deviation of the mouth's landmarks over five cuts of the face, one mirrored, in units of the square."""
    square = FaceSquare.of(landmarks).cut(pixels)
    found = [
        landmarker.in_square(square, _CENTRE + np.array([right, down], np.float32), _EDGE * scale, turn)
        for right, down, scale, turn in _CUTS
    ]
    flipped = landmarker.in_square(np.ascontiguousarray(square[:, ::-1]), _CENTRE, _EDGE, 0.0)
    found.append(mirrored(flipped, square.shape[1]))
    return float(np.stack(found)[:, 48:].std(0).mean())


def covered_frames(disagreements: Floats) -> NDArray[np.bool_]:
    """(S,) disagreement in each frame, NaN where no face was looked at -> (S,) is the mouth covered?"""
    seen = np.flatnonzero(~np.isnan(disagreements))
    covered = np.zeros(len(disagreements), bool)
    if len(seen):
        usual = float(np.percentile(disagreements[seen], _USUAL_PERCENTILE))
        steady = median_filter(disagreements[seen], _STEADY_FRAMES, mode="nearest")
        covered[seen] = steady > np.clip(_OVER_USUAL * usual, *_COVERED)
    return np.asarray(binary_dilation(covered, iterations=_BESIDE_FRAMES))
