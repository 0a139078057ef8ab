"""What a person's mouth looks like when nothing is said, at the pose of each frame."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats, close_seam, opening_ratio
from services.talkinghead.face.choose import turn

_CLOSED_PERCENTILE: Final = 5
_RIDGE: Final = 0.02
"""Of the mean square of a feature at a spread of one: few frames, or a head that does not move, tell no slope."""

_SPREAD: Final = np.array([0.1, 4.0, 0.2])
"""Usual range of the features: turn, nod in units of the face square, opening over mouth width."""

_JAW_SHARE: Final = np.array([0, 0, 0, 0.25, 0.5, 0.75, *[1.0] * 5, 0.75, 0.5, 0.25, 0, 0, 0], np.float32)
"""The jaw's ends at the ears move with the head alone: they stay each frame's own."""


def neutral_shapes(squares: Floats) -> Floats:
    """(S, 68, 2) landmarks of one person, each frame in its own face square -> (S, 68, 2) with the mouth at rest.

    The square is aligned by eyes and nose, so that only pose and speech move the mouth in it. A ridge regression tells
    both apart: landmarks = mean + slopes (turn, nod, opening). Each frame's shape is the one at its own pose and at the
    smallest opening of the video; nothing that its lips say is left in it.
    """
    opening = opening_ratio(squares)
    closed = np.percentile(opening, _CLOSED_PERCENTILE)
    nod = squares[:, 30, 1] - squares[:, 27, 1]
    features = np.stack([[turn(landmarks) for landmarks in squares], nod, opening], 1) / _SPREAD
    middle = features.mean(0)
    slopes = _ridge(features - middle, (squares - squares.mean(0)).reshape(len(squares), -1))
    at_rest = features.copy()
    at_rest[:, 2] = closed / _SPREAD[2]
    shapes = squares.mean(0) + ((at_rest - middle) @ slopes).reshape(squares.shape)
    neutral = squares.copy()
    neutral[:, 48:] = shapes[:, 48:]
    neutral[:, :17] += _JAW_SHARE[:, None] * (shapes[:, :17] - squares[:, :17])
    return np.stack([close_seam(shape) for shape in neutral.astype(np.float32)])


def _ridge(features: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes (F, V) of centred (S, V) values over centred (S, F) features."""
    system = features.T @ features / len(features) + _RIDGE * np.eye(features.shape[1])
    return np.asarray(np.linalg.solve(system, features.T @ values / len(features)))
