"""Photo -> social story, in numbered stages. Each stage is a method that can be called and looked at alone.

The story's form (symbols, records, one paragraph of at most 15 sentences) follows SocialGPT (Li et al. 2024, arXiv
2410.21411); what people are and do is answered by small models and rules instead of large ones.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from services.common.errors import ProblemError
from services.common.faces import FaceFinder
from services.common.faces.detector import Window
from services.common.onnx_model import Float, OnnxModel
from services.common.registry import load_registry
from services.perception.attributes import FaceModels, face_answers, posture_answer
from services.perception.boxes import centre, cut, iou
from services.perception.clothing import clothing_answers, garment_answer
from services.perception.facts import Fact, as_records, group_facts, pair_facts, person_facts, scene_facts, thing_facts
from services.perception.holding import holders, tie_wearers
from services.perception.objects import Detection, ObjectDetector
from services.perception.pairs import head, pair_answers
from services.perception.people import MAX_PEOPLE, Subject, find_people, largest, match_poses, people_in_boxes
from services.perception.pose import KEYPOINTS, Pose, PoseFinder
from services.perception.scene import SceneReader, painted_over, scene_answers
from services.perception.schemas import Answer, Box, Keypoint, Pair, Person, Story, StoryOptions, Thing
from services.perception.segment import Segmenter, run_lengths, shrunk
from services.perception.story import tell

SERVICE: Final = "perception"
_THING_MIN_SCORE: Final = 0.4
_MAX_THINGS: Final = 12
_SAME_THING_IOU: Final = 0.5

Pixels = npt.NDArray[np.uint8]
Masks = list[npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Found:
    """What the detectors see: people in the order of their symbols, other things, and remarks for the caller."""

    people: list[Subject]
    things: list[Thing]
    warnings: list[str]


class Perception:
    """The service's models and its stages."""

    def __init__(
        self,
        *,
        faces: FaceFinder,
        objects: ObjectDetector,
        poses: PoseFinder,
        segmenter: Segmenter,
        face_models: FaceModels,
        scene: SceneReader,
        models: dict[str, str],
    ) -> None:
        self._faces, self._objects, self._poses, self._segmenter = faces, objects, poses, segmenter
        self._face_models, self._scene, self._models = face_models, scene, models

    @classmethod
    def load(cls, weights_dir: Path, threads: int, profile: str) -> Self:
        """Load all models; raises ``model_unavailable`` naming the file that is missing or altered."""
        entries = load_registry(weights_dir, SERVICE, profile)
        models = {role: OnnxModel.load(entry, weights_dir, SERVICE, threads) for role, entry in entries.items()}
        face_entries = load_registry(weights_dir, "faces", profile)
        return cls(
            faces=FaceFinder.load(weights_dir, threads, profile),
            objects=ObjectDetector(models["objects"]),
            poses=PoseFinder(models["poses"]),
            segmenter=Segmenter(models["segmentation"]),
            face_models=FaceModels(models["age_gender"], models["age_gender_second"], models["expression"]),
            scene=SceneReader(models["scene"], entries["scene"].name),
            models={role: f"{entry.name} {entry.revision}" for role, entry in (face_entries | entries).items()},
        )

    def __call__(self, pixels: Pixels, options: StoryOptions, check: Callable[[], None] = lambda: None) -> Story:
        """(H, W, 3) uint8 RGB upright -> story. ``check`` is called between stages and may raise to stop the work.

        Raises ``no_person``, and ``invalid_request`` for boxes that are not in the photo.
        """
        height, width = pixels.shape[:2]
        clock = _Clock(check)
        with clock.stage("detect"):
            found = self.detect(pixels, options.boxes)  # 1. people and things
        with clock.stage("segment"):
            masks = self.segment(pixels, found.people)  # 2. a mask per person
        with clock.stage("attributes"):
            answers = self.attributes(pixels, found, masks, options.omit)  # 3. answers about each person
        with clock.stage("scene"):
            scene = self.scene(pixels, found.things, masks)  # 4. answers about the photo
        with clock.stage("pairs"):
            pairs = self.pairs(found.people, answers)  # 5. answers about each two
        with clock.stage("story"):
            people = [
                _person(symbol, subject, answers[symbol])
                for symbol, subject in zip(_symbols(len(found.people)), found.people, strict=True)
            ]
            facts = self.facts(people, found.things, pairs, scene)  # 6. what may be told
            sentences = tell(people, facts)  # 7. the paragraph
        if options.masks:
            people = [
                person.model_copy(update={"mask": run_lengths(mask, width, height)})
                for person, mask in zip(people, masks, strict=True)
            ]
        return Story(
            width=width,
            height=height,
            people=people,
            objects=found.things,
            pairs=pairs,
            scene=scene,
            records=as_records(facts),
            story=" ".join(sentence.text for sentence in sentences),
            warnings=found.warnings,
            models=self._models,
            timings_s=clock.seconds,
        )

    def detect(self, pixels: Pixels, boxes: Sequence[Box] | None = None) -> Found:
        """Stage 1. Without ``boxes`` people are numbered from left to right, else in the order of the boxes."""
        height, width = pixels.shape[:2]
        given = None if boxes is None else _checked_boxes(boxes, width, height)
        detections = self._objects.detect(pixels)
        poses = self._poses.find(pixels)
        bodies = [found.box for found in detections if found.name == "person"] + [pose.box for pose in poses]
        faces = self._faces.find(pixels, [_head_window(box) for box in (bodies if given is None else given)])
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
        return Found(self._posed(pixels, people), _things(detections), warnings)

    def segment(self, pixels: Pixels, people: Sequence[Subject]) -> Masks:
        """Stage 2. A mask per person, same order, at no more than 640 px."""
        return self._segmenter.segment(pixels, people)

    def attributes(
        self, pixels: Pixels, found: Found, masks: Masks, omit: Sequence[str] = ()
    ) -> dict[str, dict[str, Answer]]:
        """Stage 3. Symbol -> answers; ``omit`` leaves out age or gender."""
        held = holders(found.people, found.things)
        small, zoom = shrunk(pixels)
        ties = tie_wearers(found.people, found.things)
        answers: dict[str, dict[str, Answer]] = {}
        for index, (symbol, person, mask) in enumerate(
            zip(_symbols(len(found.people)), found.people, masks, strict=True)
        ):
            mine = face_answers(self._face_models, pixels, person.face) if person.face else {}
            mine |= clothing_answers(small, zoom, mask, person)
            alone = painted_over(small, [other for other in masks if other is not mask])
            garment = garment_answer(self._scene.classes(cut(alone, person.box * zoom)[0]), self._scene.name)
            posture = posture_answer(person.pose) if person.pose else None
            mine |= {"garment": garment} if garment else {}
            mine |= {"posture": posture} if posture else {}
            mine |= {"holding": held[index]} if index in held else {}
            mine |= {"tie": ties[index]} if index in ties else {}
            answers[symbol] = {name: answer for name, answer in mine.items() if name not in omit}
        return answers

    def scene(self, pixels: Pixels, things: Sequence[Thing], masks: Masks) -> dict[str, Answer]:
        """Stage 4. Place and setting, where they are supported."""
        small, _ = shrunk(pixels)
        whole, background = self._scene.classes(small), self._scene.background_classes(small, masks)
        return scene_answers(whole, background, things, self._scene.name)

    def pairs(self, people: Sequence[Subject], answers: dict[str, dict[str, Answer]]) -> list[Pair]:
        """Stage 5. Every two people, in the order of their symbols."""
        named = list(zip(_symbols(len(people)), people, strict=True))
        across = sorted(named, key=lambda person: float(head(person[1])[0]))
        neighbours = {frozenset((left[0], right[0])) for left, right in pairwise(across)}
        return [
            Pair(
                pair=(first, second),
                answers=pair_answers(
                    one, other, answers[first], answers[second], neighbours={first, second} in neighbours
                ),
            )
            for (first, one), (second, other) in combinations(named, 2)
        ]

    def facts(
        self, people: Sequence[Person], things: Sequence[Thing], pairs: Sequence[Pair], scene: dict[str, Answer]
    ) -> list[Fact]:
        """Stage 6. What is sure enough to be told."""
        return [
            *scene_facts(scene),
            *(fact for person in people for fact in person_facts(person, things)),
            *group_facts(people),
            *(fact for pair in pairs for fact in pair_facts(pair)),
            *thing_facts(things),
        ]

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


class _Clock:
    """Seconds per stage; asks before each whether to go on."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._check = check

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._check()
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 4)


def _symbols(count: int) -> list[str]:
    return [f"P{number}" for number in range(1, count + 1)]


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
        if all(iou(found.box, other.box) < _SAME_THING_IOU for other in kept):
            kept.append(found)
    return [
        Thing(symbol=f"O{number}", box=_box(found.box), name=found.name, score=round(found.score, 3))
        for number, found in enumerate(kept[:_MAX_THINGS], start=1)
    ]


def _person(symbol: str, subject: Subject, answers: dict[str, Answer]) -> Person:
    return Person(
        symbol=symbol,
        box=_box(subject.box),
        score=round(min(subject.score, 1.0), 3),
        face_box=_box(subject.face.box) if subject.face else None,
        face_landmarks=[(round(float(x), 1), round(float(y), 1)) for x, y in subject.face.landmarks]
        if subject.face
        else None,
        keypoints=_keypoints(subject.pose) if subject.pose else [],
        attributes=answers,
    )


def _keypoints(pose: Pose) -> list[Keypoint]:
    return [
        Keypoint(name=name, x=round(float(x), 1), y=round(float(y), 1), score=round(float(np.clip(score, 0, 1)), 3))
        for name, (x, y, score) in zip(KEYPOINTS, pose.points, strict=True)
    ]


def _box(box: Float) -> Box:
    x0, y0, x1, y1 = (round(float(value), 1) for value in box)
    return x0, y0, x1, y1
