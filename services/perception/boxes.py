"""Geometry of boxes [x0, y0, x1, y1]."""

import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float
from services.perception.schemas import Box


def area(box: Float) -> float:
    """Square pixels; 0 where the box is turned inside out."""
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def intersection(a: Float, b: Float) -> float:
    """Square pixels that both cover."""
    return float(max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0))


def iou(a: Float, b: Float) -> float:
    """Intersection over union, 0..1."""
    shared = intersection(a, b)
    return shared / max(area(a) + area(b) - shared, 1e-6)


def part_inside(inner: Float, outer: Float) -> float:
    """Which part of ``inner`` lies in ``outer``, 0..1."""
    return intersection(inner, outer) / max(area(inner), 1e-6)


def contains(box: Float, point: Float) -> bool:
    """Does ``point`` (x, y) lie in the box, its edges included?"""
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


def clipped(box: Float, width: int, height: int) -> Float:
    """The part of the box within a picture of that size."""
    return np.asarray(np.clip(box, 0, [width, height, width, height]), np.float32)


def centre(box: Float) -> Float:
    """(x, y)"""
    return ((box[:2] + box[2:]) / 2).astype(np.float32)


def grown(box: Float, share: float) -> Float:
    """The box with ``share`` of its sides added on every side."""
    extra = np.tile((box[2:] - box[:2]) * share, 2) * np.array([-1, -1, 1, 1])
    return np.asarray(box + extra, np.float32)


def cut(pixels: npt.NDArray[np.uint8], box: Float) -> tuple[npt.NDArray[np.uint8], Float]:
    """(pixels in the box clipped to the picture, at least one; the box that was cut, in whole pixels)."""
    height, width = pixels.shape[:2]
    x0, y0 = (int(np.clip(np.floor(value), 0, limit - 1)) for value, limit in ((box[0], width), (box[1], height)))
    x1, y1 = (
        int(np.clip(np.ceil(value), low + 1, limit))
        for value, low, limit in ((box[2], x0, width), (box[3], y0, height))
    )
    return pixels[y0:y1, x0:x1], np.array([x0, y0, x1, y1], np.float32)


def as_box(box: Float) -> Box:
    """As it is answered, in tenths of a pixel."""
    x0, y0, x1, y1 = (round(float(value), 1) for value in box)
    return x0, y0, x1, y1
