"""Masks of whatever stands out in a photo, by a grid of points and SocialGPT's filters (arXiv 2410.21411, 3.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from services.common.onnx_model import Float
from services.perception.boxes import area, iou
from services.perception.segment.promptable import Proposals

POINTS: Final = 32
"""Across and down, as in SAM's own generator."""

MIN_IOU: Final = 0.85
MIN_STABILITY: Final = 0.92
_STABILITY_OFFSET: Final = 1.0
SAME_IOU: Final = 0.7
MIN_AREA: Final = 0.015
"""Of the photo, of the box around a mask; what is smaller is no part of a story."""


@dataclass(frozen=True)
class Region:
    """``logits`` (h, w) covering the photo, ``box`` (4,) in fractions of its sides, ``score``: predicted IoU."""

    logits: Tensor
    box: Float
    score: float


def grid(width: int, height: int, points: int = POINTS) -> Float:
    """(points ** 2, 2) x, y in pixels, each in the middle of its cell."""
    along = (np.arange(points, dtype=np.float32) + 0.5) / points
    x, y = np.meshgrid(along * width, along * height)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def stability(logits: Tensor) -> Tensor:
    """(N, h, w) -> (N,): how little a mask changes when its threshold is moved by one both ways."""
    inner = (logits > _STABILITY_OFFSET).sum((1, 2))
    outer = (logits > -_STABILITY_OFFSET).sum((1, 2))
    return inner / outer.clamp(min=1)


def standing_out(batches: Iterable[Proposals]) -> list[Region]:
    """Those that are sure, stable and large, the surest of every place, surest first.

    All is done at the size that the network answers in: a mask is enlarged only once it is kept.
    """
    found = [region for proposals in batches for region in _worth_keeping(proposals)]
    kept: list[Region] = []
    for region in sorted(found, key=lambda region: -region.score):
        if all(iou(region.box, other.box) <= SAME_IOU for other in kept):
            kept.append(region)
    return kept


def _worth_keeping(proposals: Proposals) -> list[Region]:
    sure = proposals.ious > MIN_IOU
    logits, scores = proposals.logits[sure], proposals.ious[sure]
    stable = stability(logits) >= MIN_STABILITY
    regions = [Region(one, _box(one), float(score)) for one, score in zip(logits[stable], scores[stable], strict=True)]
    return [region for region in regions if area(region.box) > MIN_AREA]


def _box(logits: Tensor) -> Float:
    """(h, w) -> (4,) around what is above zero, in fractions of the sides; no area where nothing is."""
    rows, columns = (torch.nonzero((logits > 0).any(axis)).flatten() for axis in (1, 0))
    if not len(rows):
        return np.zeros(4, np.float32)
    height, width = logits.shape
    found = [columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height]
    return np.array([float(side) for side in found], np.float32)
