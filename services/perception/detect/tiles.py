"""Long pictures are looked at in overlapping parts: detectors that squeeze them to a square miss thin people."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float
from services.perception.boxes import iou, part_inside

_LONG, _LONGEST = 1.9, 9.0
"""Times the shorter side; a 16:9 photo is seen whole, and so is what is too long to show people."""

_TILE, _STEP = 1.5, 1.0
"""Length of a part, and the most that the next one is further on, in shorter sides."""

_SAME, _CUT_SAME, _EDGE = 0.5, 0.7, 0.02
"""One thing in two parts: by IoU; or, where an end of the part cuts it, by how much of it is in the other. The end is
as wide as 0.02 of the part."""

Seen = TypeVar("Seen")


def is_long(width: int, height: int) -> bool:
    """Is a picture looked at in parts?"""
    long, short = max(width, height), min(width, height)
    return _LONG * short < long <= _LONGEST * short


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """(x0, y0, x1, y1) of the parts, in order; the whole where it is not long."""
    if not is_long(width, height):
        return [(0, 0, width, height)]
    long, short = max(width, height), min(width, height)
    length = round(_TILE * short)
    starts = np.linspace(0, long - length, ceil((long - length) / (_STEP * short)) + 1).round().astype(int).tolist()
    if width >= height:
        return [(start, 0, start + length, height) for start in starts]
    return [(0, start, width, start + length) for start in starts]


def in_tiles(
    pixels: npt.NDArray[np.uint8],
    find: Callable[[npt.NDArray[np.uint8]], Sequence[Seen]],
    moved: Callable[[Seen, Float], Seen],
    box_of: Callable[[Seen], Float],
) -> list[Seen]:
    """What ``find`` sees in each part, ``moved`` by (2,) x, y; of a thing seen in two parts the whole view."""
    parts = tiles(pixels.shape[1], pixels.shape[0])
    if len(parts) == 1:
        return list(find(pixels))
    seen = []
    for number, part in enumerate(parts):
        x0, y0, x1, y1 = part
        for one in find(np.ascontiguousarray(pixels[y0:y1, x0:x1])):
            found = moved(one, np.array([x0, y0], np.float32))
            seen.append((_is_cut(box_of(found), part, pixels.shape), number, found))
    kept: list[tuple[int, Seen]] = []
    for is_cut, number, one in sorted(seen, key=lambda view: view[0]):  # whole ones first
        others = [box_of(other) for tile, other in kept if tile != number]
        known = any(
            iou(box_of(one), other) > _SAME or (is_cut and part_inside(box_of(one), other) > _CUT_SAME)
            for other in others
        )
        if not known:
            kept.append((number, one))
    return [one for _, one in kept]


def _is_cut(box: Float, part: tuple[int, int, int, int], shape: tuple[int, ...]) -> bool:
    """Does an end of the part that is no end of the picture cut it?"""
    limits = (0, 0, shape[1], shape[0])
    margin = _EDGE * max(part[2] - part[0], part[3] - part[1])
    return any(part[side] != limits[side] and abs(float(box[side]) - part[side]) <= margin for side in range(4))
