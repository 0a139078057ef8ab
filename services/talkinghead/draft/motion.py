"""Facial actions over time -> where a portrait's 68 landmarks go."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.one_euro import smooth
from services.talkinghead.speech.actions import ACTIONS, FPS

_MIN_CUTOFF_HZ: Final = 4.0
_SPEED_COEFFICIENT: Final = 6.0  # hertz of cutoff per unit action per second

_SETTLE_FRAMES: Final = 2
"""Frames over which motion starts after silence and dies away before it."""

_MOUTH_OVER_EYES: Final = (0.62, 0.85)
"""Mouth width over the distance of the eyes on faces at rest (seven portraits: 0.68 to 0.77; a broad smile 1.0). A
smile must not make a person's jaw drop further."""

_PRESS: Final = ACTIONS.index("mouthPress")
_SEAL_FROM: Final = 0.12
_SEAL_FULL: Final = 0.28  # p, b and m ask for 0.35 of press

_WIDEST_OPENING: Final = 0.45
"""Inner lip distance over mouth width to which speech tends; a shout opens wider, speech does not."""

_LOWEST: Final = 122.0 / 128.0  # of the square: the chin stays in the picture

_PAIRS: Final = ((61, 67, 50, 58), (62, 66, 51, 57), (63, 65, 52, 56))
"""Inner upper, inner lower, outer upper, outer lower landmark."""
_LOWER_SHARE: Final = 0.65
"""Of a closing gap the lower lip, which has the jaw behind it, covers this part."""


def smooth_actions(actions: Floats) -> Floats:
    """Free (T, 11) actions at 25 fps of jitter without delay; where they are 0 they stay exactly 0.

    They are made of the whole speech, so that segments of a video need not know each other.
    """
    silent: NDArray[np.bool_] = (actions == 0).all(axis=1)
    calm = smooth(actions, FPS, _MIN_CUTOFF_HZ, _SPEED_COEFFICIENT)
    near = np.arange(1, _SETTLE_FRAMES + 1)
    gate = np.where(silent, 0.0, 1.0)
    for distance in near[::-1]:
        touched = np.zeros_like(silent)
        touched[distance:] |= silent[:-distance]
        touched[:-distance] |= silent[distance:]
        gate = np.where(touched & ~silent, distance / (_SETTLE_FRAMES + 1), gate)
    return (calm * gate[:, None]).astype(np.float32)


def target_landmarks(landmarks: Floats, actions: Floats, basis: Floats) -> Floats:
    """(68, 2) landmarks in the face square, (N, 11) actions, (11, 68, 2) basis -> (N, 68, 2) targets.

    Where all actions are 0 the target is exactly the source. Pressed lips (p, b, m) meet, also on a portrait whose
    mouth stands open.
    """
    eyes = float(np.linalg.norm(landmarks[36:42].mean(0) - landmarks[42:48].mean(0)))
    mouth = float(np.linalg.norm(landmarks[54] - landmarks[48]))
    unit = np.clip(mouth, _MOUTH_OVER_EYES[0] * eyes, _MOUTH_OVER_EYES[1] * eyes)
    # einsum and not a matrix product: BLAS rounds by the number of frames, and segments must join without a seam
    targets: Floats = landmarks + np.einsum("na,apc->npc", actions, basis) * np.float32(unit)
    _limit_opening(targets, landmarks, float(unit))
    _seal(targets, actions[:, _PRESS])
    lowest = np.maximum(np.float32(_LOWEST * 128), landmarks[:, 1])
    targets[..., 1] = np.minimum(targets[..., 1], lowest)
    targets[~actions.any(axis=1)] = landmarks
    return targets


def _limit_opening(targets: Floats, landmarks: Floats, unit: float) -> None:
    """Scale a frame's whole motion down, the more the wider its mouth would open."""
    opened = (targets[:, 66, 1] - targets[:, 62, 1]) - (landmarks[66, 1] - landmarks[62, 1])
    relative = (opened / (_WIDEST_OPENING * unit)).clip(1e-3)
    scale = (np.tanh(relative) / relative)[:, None, None].astype(np.float32)
    targets += (landmarks - targets) * (1 - scale)


def _seal(targets: Floats, press: Floats) -> None:
    """Draw the lips together as the press action asks for it."""
    x = ((press - _SEAL_FROM) / (_SEAL_FULL - _SEAL_FROM)).clip(0, 1)
    seal = (x * x * (3 - 2 * x))[:, None].astype(np.float32)
    for upper, lower, outer_upper, outer_lower in _PAIRS:
        gap = seal * (targets[:, lower] - targets[:, upper])
        targets[:, [upper, outer_upper]] += ((1 - _LOWER_SHARE) * gap)[:, None]
        targets[:, [lower, outer_lower]] -= (_LOWER_SHARE * gap)[:, None]
