"""A mask per person and thing by their boxes, and things that no detector knows by automatic masks: one encoding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from services.common.onnx_model import Float
from services.perception.boxes import as_box, iou
from services.perception.detect.detector import MAX_THINGS, SAME_THING_IOU, Found
from services.perception.schemas import REGION, Thing
from services.perception.segment.automatic import Region, grid, standing_out
from services.perception.segment.bodies import apart
from services.perception.segment.masks import MaskArray, Pixels, Segmented, shrunk
from services.perception.segment.promptable import PromptableNetwork, Proposals, as_mask

_OF_A_PERSON: Final = 0.42
"""SocialGPT's threshold: what overlaps a person by more is that person."""


class SamSegmenter:
    """``points``: of the grid, across and down."""

    def __init__(self, network: PromptableNetwork, points: int) -> None:
        self.network, self._points = network, points

    def __call__(self, pixels: Pixels, found: Found, check: Callable[[], None]) -> Segmented:
        """People's masks share no pixel; regions become things behind those of the detectors."""
        check()
        small, zoom = shrunk(pixels)
        height, width = pixels.shape[:2]
        encoding = self.network.encode(pixels)
        boxes = [person.box for person in found.people] + [np.array(thing.box, np.float32) for thing in found.things]
        shape = small.shape[0], small.shape[1]
        prompted = [
            as_mask(logits, shape)
            for proposals in checked(self.network.in_boxes(encoding, boxes), check)
            for logits in proposals.logits
        ]
        people = apart(prompted[: len(found.people)], found.people, zoom)
        whole = checked(self.network.at_points(encoding, grid(width, height, self._points)), check)
        regions = _new(standing_out(whole), boxes, len(found.people), np.array([width, height] * 2, np.float32))
        regions = regions[: max(0, MAX_THINGS - len(found.things))]
        things = [
            Thing(symbol=f"O{number}", box=as_box(box), name=REGION, score=round(min(region.score, 1.0), 3))
            for number, (region, box) in enumerate(regions, start=len(found.things) + 1)
        ]
        outlines = [as_mask(region.logits, shape) for region, _ in regions]
        masks = [*prompted[len(found.people) :], *outlines]
        return Segmented(replace(found, things=[*found.things, *things]), people, masks)

    def things(self, pixels: Pixels, segmented: Segmented) -> list[MaskArray]:
        """Worked out with those of the people."""
        del pixels
        return segmented.things


def checked(batches: Iterable[Proposals], check: Callable[[], None]) -> Iterator[Proposals]:
    """The same; after every call of the network ``check`` may raise."""
    for proposals in batches:
        check()
        yield proposals


def _new(regions: Sequence[Region], boxes: Sequence[Float], n_people: int, size: Float) -> list[tuple[Region, Float]]:
    """Regions that are no person and nothing that is known already, each with its box in pixels."""
    limits = [_OF_A_PERSON] * n_people + [SAME_THING_IOU] * (len(boxes) - n_people)
    placed = [(region, np.asarray(region.box * size, np.float32)) for region in regions]
    return [
        (region, box)
        for region, box in placed
        if all(iou(box, known) <= limit for known, limit in zip(boxes, limits, strict=True))
    ]
