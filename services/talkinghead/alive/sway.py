"""Head sway: a still portrait's head turns, nods and leans a little, as heads do that nobody holds.

The whole picture is bent by a smooth field that carries the head, fades to nothing around it and at the picture's
edges; the face turns by parallax, since it is deeper in the middle. Lengths are in units of the 128 px face square.
"""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import Bytes
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.speech.actions import FPS

_PERIODS_S: Final = (2.9, 4.7, 7.9)
"""Of the waves that each movement is the sum of; without a common multiple, so that nothing seems to repeat."""
_SHARES: Final = (0.25, 0.35, 0.4)
_SETTLE_S: Final = 1.0
"""The head starts from the portrait's own pose."""

YAW: Final = 1.5
NOD: Final = 1.1
LEAN_RAD: Final = 0.014
"""Largest turn and nod (shift of the nose tip, in units) and lean: about 2 degrees each."""

_PIVOT: Final = (64.0, 150.0)
"""The neck, about which the head leans and over which it nods."""
_CENTRE: Final = np.array([64.0, 58.0])
_HEAD: Final = np.array([62.0, 84.0])
"""Half axes of an ellipse that holds head and hair."""
_FADE_TO: Final = 2.1
"""The field is gone at this multiple of the ellipse."""
_FACE_CENTRE: Final = np.array([64.0, 66.0])
_FACE: Final = np.array([46.0, 62.0])
"""An ellipse from ear to ear and from hairline to chin, whose middle is nearest to the eye of the camera."""
_SKULL: Final = 0.35
"""Of the nose's shift, what the back of the head takes part in."""
_LONGEST_LEVER: Final = 1.3
_EDGE: Final = 0.06
"""Share of the picture's shorter side over which the field fades in from each edge."""
_GRID_CELLS: Final = 160
_STILL_PX: Final = 1e-3


def pose(first: int, last: int, seed: int) -> Floats:
    """Turn, nod and lean (N, 3), each within [-1, 1], of frames ``[first, last)``; frame 0 is at rest."""
    rng = np.random.default_rng([seed, 0x5A1])
    phases = rng.uniform(0, 2 * np.pi, (len(_PERIODS_S), 3))
    time_s = np.arange(first, last)[:, None, None] / FPS
    waves = np.sin(2 * np.pi * time_s / np.array(_PERIODS_S)[:, None] + phases)
    settle = np.clip(time_s[:, 0] / _SETTLE_S, 0, 1)
    moved = (waves * np.array(_SHARES)[:, None]).sum(1) * settle * settle * (3 - 2 * settle)
    return np.asarray(moved, np.float32)


@dataclass(frozen=True)
class HeadSway:
    """The fields of one portrait: where its head region goes for a whole turn, nod and lean."""

    rows: slice
    columns: slice
    fields: Floats  # (3, gh, gw, 2) in pixels, on a coarse grid over the region: they are smooth

    @classmethod
    def of(cls, square: FaceSquare, shape: tuple[int, ...]) -> Self:
        """For a picture (height, width, ...) whose face lies in ``square``."""
        height, width = shape[:2]
        linear, offset = square.matrix[:, :2], square.matrix[:, 2] + 0.5
        back = np.linalg.inv(linear)
        corners = _CENTRE + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * _HEAD * _FADE_TO
        ends = (corners - offset) @ back.T
        left, top = np.maximum(np.floor(ends.min(0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(ends.max(0)) + 1, [width, height]).astype(int)
        x, y = np.meshgrid(_centres(left, right), _centres(top, bottom))
        place = np.stack([x, y], -1) @ linear.T + offset  # (gh, gw, 2) in units

        distance = np.linalg.norm((place - _CENTRE) / _HEAD, axis=-1)
        carried = _smooth((_FADE_TO - distance) / (_FADE_TO - 1))
        cell = max(right - left, bottom - top) / _GRID_CELLS  # the outermost cells are at rest, and so is the edge
        border = np.minimum.reduce([x, y, width - 1 - x, height - 1 - y]) - cell
        carried *= _smooth(border / (_EDGE * min(width, height)))
        bulge = np.clip(1 - (((place - _FACE_CENTRE) / _FACE) ** 2).sum(-1), 0, 1)
        depth = _SKULL + (1 - _SKULL) * bulge
        lever = np.clip((_PIVOT[1] - place[..., 1]) / (_PIVOT[1] - _CENTRE[1]), 0, _LONGEST_LEVER)

        fields = np.zeros((3, *x.shape, 2))
        fields[0, ..., 0] = YAW * depth * lever
        fields[1, ..., 1] = NOD * depth * lever
        fields[2] = LEAN_RAD * np.stack([_PIVOT[1] - place[..., 1], place[..., 0] - _PIVOT[0]], -1)
        fields[2] *= (lever > 0)[..., None]
        in_pixels = (fields * carried[..., None]) @ back.T
        return cls(slice(top, bottom), slice(left, right), in_pixels.astype(np.float32))

    def move(self, frame: Bytes, pose: Floats) -> None:
        """Carry the head of ``frame`` (H, W, 3) to a ``pose`` (3,), in place; a pose of zeros leaves every bit."""
        if not pose.any():
            return
        region = frame[self.rows, self.columns]
        height, width = region.shape[:2]
        shift = cv2.resize(np.einsum("p,phwc->hwc", pose, self.fields), (width, height))
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        moved = cv2.remap(
            region, x - shift[..., 0], y - shift[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        still = np.abs(shift).max(-1) < _STILL_PX
        moved[still] = region[still]
        region[:] = moved


def _centres(first: int, last: int) -> NDArray[np.float64]:
    """Centres of the grid's cells between two edges in pixels, as ``cv2.resize`` understands them."""
    cells = min(last - first, _GRID_CELLS)
    return first + (np.arange(cells) + 0.5) * (last - first) / cells - 0.5


def _smooth(x: NDArray[np.floating]) -> NDArray[np.float64]:
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float64)
