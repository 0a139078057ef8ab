"""Stage 1, detect: who and what is in the photo. The caller's boxes win over the detectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np
import numpy.typing as npt

from services.common.errors import ProblemError
from services.common.faces import Face, FaceFinder
from services.common.faces.detector import Window
from services.common.onnx_model import Float
from services.perception.boxes import as_box, centre, iou, part_inside
from services.perception.detect.objects import Detection, ObjectDetector
from services.perception.detect.people import (
    MAX_PEOPLE,
    Subject,
    find_people,
    largest,
    match_poses,
    people_in_boxes,
)
from services.perception.detect.pose import Pose, PoseFinder
from services.perception.detect.tiles import in_tiles, is_long
from services.perception.schemas import Box, Thing

_THING_MIN_SCORE: Final = 0.4
MAX_THINGS: Final = 12
SAME_THING_IOU: Final = 0.5
_WITHIN: Final = 0.9
"""Part of a person's box inside another's from which a poster, a mirror or a picture on a shirt is possible."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Found:
    """What the detectors see: people in the order of their symbols, other things, and remarks for the caller."""

    people: list[Subject]
    things: list[Thing]
    warnings: list[str]

    @property
    def symbols(self) -> list[str]:
        """P1, P2, ... in the order of ``people``."""
        return [f"P{number}" for number in range(1, len(self.people) + 1)]

    def without_faces(self) -> "Found":
        """The same people with nothing that was read from their faces."""
        return replace(self, people=[replace(person, face=None) for person in self.people])


class Detector:
    """The union of three detectors: bodies and things, poses, and faces where heads of those are to be expected."""

    def __init__(self, faces: FaceFinder, objects: ObjectDetector, poses: PoseFinder) -> None:
        self._faces, self._objects, self._poses = faces, objects, poses

    def __call__(self, pixels: Pixels, boxes: Sequence[Box] | None = None) -> Found:
        """(H, W, 3) uint8 RGB -> people and things. Without ``boxes`` people are numbered from left to right.

        Raises ``no_person``, and ``invalid_request`` for a box that is not in the photo.
        """
        height, width = pixels.shape[:2]
        given = None if boxes is None else _checked_boxes(boxes, width, height)
        detections = self._detections(pixels)
        poses = self._all_poses(pixels)
        bodies = [found.box for found in detections if found.name == "person"] + [pose.box for pose in poses]
        looked_at = bodies if given is None else given
        # In a long picture heads are small: there they are looked for everywhere.
        windows = None if is_long(width, height) else [_head_window(box) for box in looked_at]
        faces = self._faces.find(pixels, windows)
        if given is None:
            people = find_people(detections, poses, faces, width, height)
        else:
            people = people_in_boxes(given, poses, faces)
        if not people:
            raise ProblemError("no_person", "photo: no person was found in it", param="photo")
        warnings = []
        if len(people) > MAX_PEOPLE:
            warnings.append(f"photo: {len(people)} people; only the {MAX_PEOPLE} largest are told of")
            people = largest(people)
        found = Found(self._posed(pixels, people), _things(detections), warnings)
        return replace(found, warnings=[*warnings, *_within_others(found)])

    def heads(self, pixels: Pixels) -> list[Float]:
        """Boxes (4,) of all faces, and of heads that only a pose shows: what is to be hidden in the photo."""
        faces: list[Face] = self._faces.find(pixels)
        boxes = [face.box for face in faces]
        for pose in self._all_poses(pixels):
            head = pose.head_box()
            if head is not None and all(part_inside(head, box) < SAME_THING_IOU for box in boxes):
                boxes.append(head)
        return boxes

    def _detections(self, pixels: Pixels) -> list[Detection]:
        """Surest first."""
        found = in_tiles(
            pixels,
            self._objects.detect,
            lambda one, shift: replace(one, box=one.box + np.tile(shift, 2)),
            lambda one: one.box,
        )
        return sorted(found, key=lambda one: -one.score)

    def _all_poses(self, pixels: Pixels) -> list[Pose]:
        return in_tiles(pixels, self._poses.find, Pose.moved, lambda pose: pose.box)

    def _posed(self, pixels: Pixels, people: Sequence[Subject]) -> list[Subject]:
        """The people, each with a pose of a closer look where the look at the whole photo gave none.

        A closer look shows neighbours too: a pose that fits one of them better is left alone.
        """
        posed = []
        for index, person in enumerate(people):
            if person.pose is None:
                poses = self._poses.find_in_box(pixels, person.box)
                number = match_poses(people, poses).get(index)
                posed.append(person if number is None else replace(person, pose=poses[number]))
            else:
                posed.append(person)
        return posed


def _checked_boxes(boxes: Sequence[Box], width: int, height: int) -> list[Float]:
    for index, box in enumerate(boxes):
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ProblemError(
                "invalid_request",
                f"boxes.{index}: {list(box)} must have x0 < x1 and y0 < y1 and lie in the {width} x {height} photo",
                param=f"boxes.{index}",
            )
    return [np.array(box, np.float32) for box in boxes]


def _within_others(found: Found) -> list[str]:
    """A remark per person whose box lies in another's."""
    named = zip(found.symbols, found.people, strict=True)
    return [
        f"photo: <{inner}> lies within <{outer}>; it may be a picture, a mirror image or a child carried by them"
        for (inner, one), (outer, other) in permutations(named, 2)
        if part_inside(one.box, other.box) > _WITHIN and iou(one.box, other.box) < _WITHIN
    ]


def _head_window(box: Float) -> Window:
    """Square at the top of a person's box: as wide as the box, at least a third of its height."""
    side = float(max(box[2] - box[0], (box[3] - box[1]) / 3)) * 1.1
    return float(centre(box)[0]) - side / 2, float(box[1]) - 0.1 * side, side


def _things(detections: Sequence[Detection]) -> list[Thing]:
    """Things other than people, surest first; of two names for one place the surer."""
    kept: list[Detection] = []
    for found in detections:
        if found.name == "person" or found.score < _THING_MIN_SCORE:
            continue
        if all(iou(found.box, other.box) < SAME_THING_IOU for other in kept):
            kept.append(found)
    return [
        Thing(symbol=f"O{number}", box=as_box(found.box), name=found.name, score=round(found.score, 3))
        for number, found in enumerate(kept[:MAX_THINGS], start=1)
    ]
