"""BlazeFace, back-camera variant: boxes of faces and six points on each (Bazarevsky et al. 2019, arXiv 1907.05047)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float, OnnxModel

INPUT_PX: Final = 256
MIN_SCORE: Final = 0.6
_OVERLAP: Final = 0.35
"""Two boxes that share more than this part of the smaller one are one face."""

_TILED_FROM_PX: Final = 2 * INPUT_PX
"""Pictures with a longer side above this are also read in tiles, else their small faces fall below the net's sight."""

_TILE_SHARE: Final = 0.6
"""Side of a tile as part of the picture's shorter side; neighbours overlap by at least a third."""

_TILES_ALONG: Final = 4
"""A panorama has at most this many tiles side by side, not counting overlap."""

Window = tuple[float, float, float]
"""Square of the picture: left, top, side; may reach over the edge (black there)."""


@dataclass(frozen=True)
class DetectedFace:
    """``box``: (4,) x0, y0, x1, y1; ``eyes``: (2, 2) x, y of the eye on the picture's left, then right; in pixels."""

    box: Float
    score: float
    eyes: Float


class FaceDetector:
    """Reads the picture as a whole, and closely in tiles or where it is told to look (such as at heads of people)."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self._anchors = _anchors()

    def detect(self, pixels: npt.NDArray[np.uint8], regions: Sequence[Window] | None = None) -> list[DetectedFace]:
        """(H, W, 3) uint8 -> faces, surest first. Without ``regions`` a large picture is read in tiles."""
        height, width = pixels.shape[:2]
        close = _tiles(height, width) if regions is None else regions
        windows = [(0.0, 0.0, float(max(height, width))), *close]
        found = [face for window in windows for face in self._in_window(pixels, window)]
        return _distinct(found)

    def _in_window(self, pixels: npt.NDArray[np.uint8], window: Window) -> list[DetectedFace]:
        left, top, side = window
        answers = self._model((_window_pixels(pixels, window).astype(np.float32) / 127.5 - 1)[None])
        logits = np.concatenate([answers["scores_16"][0, :, 0], answers["scores_8"][0, :, 0]])  # (896,)
        raw = np.concatenate([answers["boxes_16"][0], answers["boxes_8"][0]]) / INPUT_PX  # (896, 16)
        scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        found = []
        for index in np.flatnonzero(scores >= MIN_SCORE):
            centre, size = raw[index, :2] + self._anchors[index], raw[index, 2:4]
            box = np.concatenate([centre - size / 2, centre + size / 2])
            if _is_cut(box, window, pixels.shape):
                continue
            eyes = raw[index, 4:8].reshape(2, 2) + self._anchors[index]
            origin = np.array([left, top], np.float32)
            found.append(
                DetectedFace(
                    (box * side + np.tile(origin, 2)).astype(np.float32),
                    float(scores[index]),
                    (eyes * side + origin).astype(np.float32)[np.argsort(eyes[:, 0])],
                )
            )
        return found


def _anchors() -> Float:
    """(896, 2) centres, fractions: two per cell of the 16 x 16 grid, six per cell of the 8 x 8 grid."""
    centres = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for cells, per_cell in ((16, 2), (8, 6))
        for row in range(cells)
        for column in range(cells)
        for _ in range(per_cell)
    ]
    return np.array(centres, np.float32)


def _tiles(height: int, width: int) -> list[Window]:
    if max(height, width) <= _TILED_FROM_PX:
        return []
    side = max(_TILE_SHARE * min(height, width), max(height, width) / _TILES_ALONG)
    return [(float(left), float(top), side) for top in _starts(height, side) for left in _starts(width, side)]


def _starts(length: int, side: float) -> npt.NDArray[np.float64]:
    spare = max(length - side, 0)
    return np.linspace(0, spare, int(np.ceil(spare / (side * 2 / 3))) + 1)


def _window_pixels(pixels: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.uint8]:
    """The window as (256, 256, 3)."""
    left, top, side = window
    height, width = pixels.shape[:2]
    x0, y0 = max(int(left), 0), max(int(top), 0)
    part = pixels[y0 : min(int(np.ceil(top + side)), height), x0 : min(int(np.ceil(left + side)), width)]
    zoom = INPUT_PX / side
    shape = max(1, round(part.shape[1] * zoom)), max(1, round(part.shape[0] * zoom))
    canvas = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    small = cv2.resize(part, shape, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    column, row = round((x0 - left) * zoom), round((y0 - top) * zoom)
    space = canvas[row : row + shape[1], column : column + shape[0]]
    space[:] = small[: space.shape[0], : space.shape[1]]
    return canvas


def _is_cut(box: Float, window: Window, shape: Sequence[int]) -> bool:
    """Does the window's edge, where it is not the picture's own, cut the face? Another window sees it whole."""
    left, top, side = window
    inner = (left > 0, top > 0, left + side < shape[1], top + side < shape[0])
    beyond = (box[0] < 0, box[1] < 0, box[2] > 1, box[3] > 1)
    return any(edge and over for edge, over in zip(inner, beyond, strict=True))


def _distinct(faces: list[DetectedFace]) -> list[DetectedFace]:
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_shared(face.box, other.box) < _OVERLAP for other in kept):
            kept.append(face)
    return kept


def _shared(a: Float, b: Float) -> float:
    """Intersection as part of the smaller box."""
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(max(width, 0) * max(height, 0) / max(smaller, 1e-6))
