"""The same frames by different makers, all seen in the face square of the true frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from services.common.faces.landmarks import Landmarker
from services.talkinghead.difftalk.configuration import SMALL, PixelWindow
from services.talkinghead.difftalk.mask import soft_mask
from services.talkinghead.draft.lips import Floats, opening_ratio
from services.talkinghead.face.square import CANONICAL

Bytes = NDArray[np.uint8]

MOUTH: Final = SMALL.window
"""The part of the square that is called the mouth: 64 x 48 px, what the small model makes."""

_FACE_BOX: Final = np.array([18, 30, 110, 122], np.float32)
"""Brows to chin in the face square: where a face detector finds every face that is cut this way."""


@dataclass(frozen=True)
class Take:
    """N frames of one maker."""

    squares: Bytes  # (N, 128, 128, 3)
    landmarks: Floats  # (N, 68, 2), found in them; nothing is smoothed

    @classmethod
    def of(cls, squares: Iterable[Bytes], landmarker: Landmarker) -> Self:
        """Landmarks are looked for at the same place in every square, so that makers differ by their pixels alone."""
        stacked = np.stack(list(squares))
        return cls(stacked, np.stack([_landmarks(square, landmarker) for square in stacked]))

    @property
    def mouths(self) -> Bytes:
        """(N, 48, 64, 3)."""
        return cut(self.squares, MOUTH)

    @property
    def opening(self) -> Floats:
        """(N,) distance of the inner lips over the width of the mouth."""
        return opening_ratio(self.landmarks)


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``count`` places, evenly spread: for figures that cost more than their precision is worth."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def cut(squares: Bytes, window: PixelWindow) -> Bytes:
    """(N, 128, 128, 3) -> (N, h, w, 3)."""
    return squares[:, window.top : window.top + window.height, window.left : window.left + window.width]


def with_mouth(squares: Bytes, mouth: NDArray[np.floating]) -> Bytes:
    """Squares (N, 128, 128, 3) with the mouth of one square (128, 128, 3) laid over each, by the model's soft mask.

    Everything but the mouth stays the truth, as it does in what the model makes: a trivial answer is then trivial about
    the mouth alone.
    """
    mask = np.zeros((*squares.shape[1:3], 1), np.float32)
    rows, columns = slice(MOUTH.top, MOUTH.top + MOUTH.height), slice(MOUTH.left, MOUTH.left + MOUTH.width)
    mask[rows, columns, 0] = soft_mask(MOUTH)
    return np.stack([np.rint(square + mask * (mouth - square)).astype(np.uint8) for square in squares])


def _landmarks(square: Bytes, landmarker: Landmarker) -> Floats:
    eyes = CANONICAL[:2]
    found = landmarker.locate(square, _FACE_BOX, eyes)
    if found is None:
        return np.full((68, 2), np.nan, np.float32)
    return found
