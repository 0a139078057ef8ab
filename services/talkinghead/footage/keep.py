"""Which frames of a stretch are fit for training, and why the others are not."""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.face.choose import MOST_TURNED, SMALLEST_SQUARE_PX, turn
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage.clip import Floats
from services.talkinghead.footage.sync import MOST_FRAMES
from services.talkinghead.footage.watch import Watched
from services.talkinghead.speech.actions import ACTIONS, FPS

NO_FACE: Final = "no face"
SMALL: Final = "face too small"
TURNED: Final = "face turned far to the side"
AT_EDGE: Final = "mouth at the edge of the picture"
COVERED: Final = "something before the mouth"
OTHER_FACE: Final = "a second face"
CUT: Final = "a cut"
STANDS: Final = "the picture stands still"
OTHER_VOICE: Final = "speech is heard but the lips rest"
OUT_OF_SYNC: Final = "lips and sound do not go together"
NOBODY_SPEAKS: Final = "nobody speaks"
TOO_SHORT: Final = "too short in between"

SHORTEST: Final = 2 * FPS
"""Frames of a clip: with fewer there is nothing to take a reference picture from."""
LONGEST: Final = 10 * FPS

_LEAST_SPEECH: Final = 0.2
"""Share of a clip's frames in which somebody is heard."""
_ENLARGED: Final = 4 / 3
"""A face square may be made this much larger than it is in the video, not more: enlarged skin has no pores."""
_BESIDE_A_CUT: Final = 2
"""Frames on either side, into which dissolves and coding reach."""
_CHANGE: Final = 24.0
"""Mean change of a thumbnail (0 to 255) that no movement within a shot makes."""
_HELD: Final = 5
"""So many frames alike: the video hangs, or is a still."""
_LISTENED: Final = 2 * FPS
_LOUD_JAW: Final = 0.06
"""Standard deviation of the jaw that is heard over two seconds of lively speech: 0.1 to 0.2 on the clips tried."""
_RESTING_LIPS: Final = 0.012
"""Standard deviation, in mouth widths, of lips that rest: speech makes 0.03 and more, the landmarks' noise 0.005."""

Reasons = NDArray[np.object_]
"""(N,) why a frame is left out, None where it is kept."""


def by_sight(watched: Watched, landmarks: Floats, square_px: int) -> Reasons:
    """What the pictures alone tell; ``landmarks`` (N, 68, 2) steady, 0 where there is no face."""
    height, width = watched.shape
    smallest_px = max(SMALLEST_SQUARE_PX, square_px / _ENLARGED)
    reasons = np.full(len(landmarks), None, object)
    for number, points in enumerate(landmarks):
        lips = points[48:]
        if not points.any():
            reasons[number] = NO_FACE
        elif watched.others[number]:
            reasons[number] = OTHER_FACE
        elif FaceSquare.of(points).edge_px < smallest_px:
            reasons[number] = SMALL
        elif abs(turn(points)) > MOST_TURNED:
            reasons[number] = TURNED
        elif lips.min() < 0 or (lips.max(0) > (width - 1, height - 1)).any():
            reasons[number] = AT_EDGE
        elif watched.covered[number]:
            reasons[number] = COVERED
    for cut in cuts(watched):
        _put(reasons, cut - _BESIDE_A_CUT, cut + _BESIDE_A_CUT, CUT)
    for first, last in _runs(~watched.new):
        if last - first >= _HELD - 1:
            _put(reasons, first - 1, last, STANDS)
    return reasons


def cuts(watched: Watched) -> list[int]:
    """First frames of new shots."""
    small = watched.thumbnails.astype(np.float32)
    return [int(n) + 1 for n in np.flatnonzero(np.abs(np.diff(small, axis=0)).mean((1, 2, 3)) > _CHANGE)]


def by_sound(reasons: Reasons, landmarks: Floats, actions: Floats) -> None:
    """Mark stretches in which somebody else is heard: ``landmarks`` in pixels, ``actions`` (N, 11) as heard."""
    mouths = landmarks[:, 54] - landmarks[:, 48]
    gaps = landmarks[:, 65:68].mean(1) - landmarks[:, 61:64].mean(1)
    opening = np.linalg.norm(gaps, axis=1) / np.maximum(np.linalg.norm(mouths, axis=1), 1e-6)
    jaw = actions[:, ACTIONS.index("jawOpen")]
    for first, last in _runs(reasons == None):  # noqa: E711 - elementwise
        for start in range(first, last - _LISTENED + 1, _LISTENED // 2):
            here = slice(start, start + _LISTENED)
            # The sound may yet prove to be late or early: what is heard at an edge may be seen beside it
            about = slice(max(start - MOST_FRAMES, first), min(start + _LISTENED + MOST_FRAMES, last))
            if jaw[here].std() > _LOUD_JAW and opening[about].std() < _RESTING_LIPS:
                _put(reasons, here.start, here.stop, OTHER_VOICE)


def kept_runs(reasons: Reasons) -> list[tuple[int, int]]:
    """Unbroken runs [first, last) long enough for a clip; the others are marked."""
    for first, last in _runs(reasons == None):  # noqa: E711
        if last - first < SHORTEST:
            reasons[first:last] = TOO_SHORT
    return _runs(reasons == None)  # noqa: E711


def clips_of(runs: list[tuple[int, int]], reasons: Reasons, actions: Floats) -> list[tuple[int, int]]:
    """The runs in equal clips of at most ten seconds; those in which hardly anybody speaks are marked and left out."""
    clips = []
    for first, last in runs:
        edges = np.linspace(first, last, -(-(last - first) // LONGEST) + 1).round().astype(int)
        for start, stop in pairwise(edges.tolist()):
            if actions[start:stop].any(1).mean() < _LEAST_SPEECH:
                reasons[start:stop] = NOBODY_SPEAKS
            else:
                clips.append((start, stop))
    return clips


def seconds_by_reason(reasons: Reasons) -> dict[str, float]:
    """How long each reason holds, the longest first."""
    told, counts = np.unique([reason for reason in reasons if reason is not None], return_counts=True)
    order = np.argsort(-counts)
    return {str(told[i]): round(float(counts[i]) / FPS, 2) for i in order}


def _put(reasons: Reasons, first: int, last: int, reason: str) -> None:
    here = slice(max(first, 0), max(last, 0))
    reasons[here][reasons[here] == None] = reason  # noqa: E711


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, last) of what is True."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(int)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
