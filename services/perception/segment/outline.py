"""The outline of a thing inside its box by its colours: GrabCut (Rother et al., SIGGRAPH 2004)."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.perception.boxes import cut, grown
from services.perception.schemas import Thing
from services.perception.segment.masks import MaskArray, Pixels, shrunk

_MARGIN: Final = 0.15
"""What is seen around the box is surely not the thing: GrabCut learns the background's colours there."""

_WORK_PX: Final = 96
_ROUNDS: Final = 3
_LEAST_SHARE: Final = 0.05
"""An outline that covers less of the box than this was lost: the box is all that is known."""


def thing_masks(pixels: Pixels, things: Sequence[Thing], people: Sequence[MaskArray]) -> list[MaskArray]:
    """A mask (h, w) per thing, at the size of the people's masks; what is a person is no thing."""
    small, zoom = shrunk(pixels)
    return [_in_box(small, np.array(thing.box, np.float32) * zoom, people) for thing in things]


def _in_box(small: Pixels, box: npt.NDArray[np.float32], people: Sequence[MaskArray]) -> MaskArray:
    part, whole = cut(small, grown(box, _MARGIN))
    zoom = min(1.0, _WORK_PX / max(part.shape[:2]))
    shape = max(1, round(part.shape[1] * zoom)), max(1, round(part.shape[0] * zoom))
    work = np.ascontiguousarray(cv2.resize(part, shape, interpolation=cv2.INTER_AREA))
    inner = np.round((box - np.tile(whole[:2], 2)) * zoom).astype(int)
    labels = np.full(work.shape[:2], cv2.GC_BGD, np.uint8)
    labels[max(inner[1], 0) : max(inner[3], inner[1] + 1), max(inner[0], 0) : max(inner[2], inner[0] + 1)] = (
        cv2.GC_PR_FGD
    )
    x0, y0, x1, y1 = whole.astype(int)
    for person in people:
        body = cv2.resize(person[y0:y1, x0:x1].astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST)
        labels[(body > 0) & (labels == cv2.GC_PR_FGD)] = cv2.GC_PR_BGD
    likely = labels == cv2.GC_PR_FGD
    outline = _cut_out(work, labels) if likely.any() and (labels == cv2.GC_BGD).any() else likely
    if outline.sum() < _LEAST_SHARE * max(int(likely.sum()), 1):
        outline = likely
    mask = np.zeros(small.shape[:2], bool)
    mask[y0:y1, x0:x1] = cv2.resize(outline.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST) > 0
    return mask


def _cut_out(work: Pixels, labels: npt.NDArray[np.uint8]) -> MaskArray:
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)  # OpenCV keeps its colour mixtures there
    cv2.setRNGSeed(1)  # its k-means starts at random: the same photo is to give the same mask
    found, *_ = cv2.grabCut(work, labels.copy(), None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(found, (cv2.GC_FGD, cv2.GC_PR_FGD))
