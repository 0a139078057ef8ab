"""A reference for a frame: another frame of its clip, or the draft that the service would make of it.

A draft is one frame bent to the landmarks of another by the very warp that the service uses. What the warp cannot know
(teeth, tongue, the shade of an open mouth, folded lips) is then what the denoiser learns to add.
"""

from typing import Final

import numpy as np

from services.talkinghead.draft.warp import warp_square
from services.talkinghead.footage.shard import StoredClip
from services.talkinghead.training.clips import Bytes, Floats, Places

DETECTOR_NOISE: Final = np.float32(0.5 / 128)
"""Of the square's edge. Landmarks of a real portrait are detected, not known: the warp must be mended where they are
off."""
SHIFT_ERROR: Final = 0.06
"""Spread of the factor on the target's shift. Small: the model should mend the draft, not doubt its shape."""
EXACT_SHARE: Final = 0.5

_HELD: Final = [*range(27, 36), 36, 39, 42, 45]
"""Nose and corners of the eyes: the warp holds them, lids blink."""
_ALIKE: Final = 1.5 / 128


def draw_reference(clip: StoredClip, targets: Places, rng: np.random.Generator) -> int:
    """Any picture of the clip but the targets."""
    return int(rng.choice(np.setdiff1d(np.arange(len(clip)), targets)))


def draw_source(clip: StoredClip, targets: Places, rng: np.random.Generator) -> int:
    """A picture to be bent: any whose head is held as in the targets, or the one that comes nearest to that."""
    held = clip.landmarks[:, _HELD] / clip.square_px
    away = np.sqrt(np.square(held - held[targets].mean(0)).sum(-1).mean(-1))
    away[targets] = np.inf
    alike = np.flatnonzero(away < _ALIKE)
    return int(rng.choice(alike)) if len(alike) else int(away.argmin())


def draft_each(square: Bytes, source: Floats, targets: Floats, rng: np.random.Generator, *, exact: bool) -> Bytes:
    """``square`` (S, S, 3) with landmarks ``source`` (68, 2) bent to each of ``targets`` (n, 68, 2): (n, S, S, 3).

    ``exact`` landmarks are made as wrong as detected ones are, half of the time.
    """
    if exact and rng.random() >= EXACT_SHARE:
        shift = (targets - source) * np.float32(1 + SHIFT_ERROR * rng.standard_normal())
        source = source + DETECTOR_NOISE * len(square) * rng.standard_normal(source.shape).astype(np.float32)
        targets = source + shift
    return np.stack([warp_square(square, source, target) for target in targets])
