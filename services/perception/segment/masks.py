"""Stage 2, segment: the port that segmenters stand behind, and what masks are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from services.perception.detect.detector import Found
from services.perception.schemas import Mask

LONG_SIDE_PX: Final = 640
"""Masks are worked out at this size; no segmenter here has finer edges."""

Pixels = npt.NDArray[np.uint8]
MaskArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segmented:
    """``people``: a mask per person of ``found``, same order, each (h, w), the longer side at most 640 px.

    ``found`` is what the detectors found; a segmenter that finds regions by itself adds them to its things.
    ``things``: a mask per thing, where the segmenter makes them at once.
    """

    found: Found
    people: list[MaskArray]
    things: list[MaskArray] = field(default_factory=list)


class Segmenter(Protocol):
    """Masks of the people and things of a photo."""

    def __call__(self, pixels: Pixels, found: Found, check: Callable[[], None]) -> Segmented:
        """``check`` is called between steps of a second or so and may raise to stop the work."""
        ...

    def things(self, pixels: Pixels, segmented: Segmented) -> list[MaskArray]:
        """A mask per thing of ``segmented.found``, same order and size as those of the people."""
        ...


def shrunk(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], float]:
    """(the picture at the size of its masks, at which zoom)."""
    zoom = min(1.0, LONG_SIDE_PX / max(pixels.shape[:2]))
    if zoom == 1:
        return pixels, zoom
    shape = max(1, round(pixels.shape[1] * zoom)), max(1, round(pixels.shape[0] * zoom))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA), np.uint8), zoom


def run_lengths(mask: npt.NDArray[np.bool_], width: int, height: int) -> Mask:
    """The mask at the photo's size as COCO run lengths."""
    full = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    flat = full.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return Mask(size=(height, width), counts=counts if flat[0] == 0 else [0, *counts])
