"""Stage 3, ask: what the photo, each person and each two people show. The port, and the answers of small models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np

from services.perception.ask.attributes import FaceModels, face_answers, posture_answer
from services.perception.ask.clothing import clothing_answers, garment_answer
from services.perception.ask.holding import holders, tie_wearers
from services.perception.ask.pairs import head, pair_answers
from services.perception.ask.scene import SceneReader, painted_over, scene_answers
from services.perception.boxes import cut
from services.perception.detect.detector import Found
from services.perception.schemas import Answer, Pair
from services.perception.segment.masks import Pixels, Segmented, shrunk

AnswersByName = dict[str, Answer]


@dataclass(frozen=True)
class Asked:
    """``people``, ``things``: symbol -> name of the question -> answer; ``pairs``: the nearest first."""

    scene: AnswersByName
    people: dict[str, AnswersByName]
    pairs: list[Pair]
    things: dict[str, AnswersByName] = field(default_factory=dict)


class Asker(Protocol):
    """Answers questions about a photo whose people and things are found."""

    def __call__(self, pixels: Pixels, segmented: Segmented, omit: Sequence[str], check: Callable[[], None]) -> Asked:
        """``omit`` leaves out age or gender; ``check`` is called between steps and may raise to stop the work."""
        ...


class SmallAsker:
    """Face models, an ImageNet classifier, and rules on poses, boxes, masks and colours."""

    def __init__(self, face_models: FaceModels, scene: SceneReader) -> None:
        self._face_models, self._scene = face_models, scene

    def __call__(self, pixels: Pixels, segmented: Segmented, omit: Sequence[str], check: Callable[[], None]) -> Asked:
        check()
        scene, people = self._people_and_scene(pixels, segmented)
        people = {
            symbol: {name: answer for name, answer in answers.items() if name not in omit}
            for symbol, answers in people.items()
        }
        return Asked(scene, people, pairs(segmented.found, people))

    def _people_and_scene(self, pixels: Pixels, segmented: Segmented) -> tuple[AnswersByName, dict[str, AnswersByName]]:
        found, masks = segmented.found, segmented.people
        small, zoom = shrunk(pixels)
        of_faces = self._faces(pixels, found)
        # Each person with the others painted over; then the whole photo, and the photo without its people.
        alone = [
            cut(painted_over(small, [other for other in masks if other is not mask]), person.box * zoom)[0]
            for person, mask in zip(found.people, masks, strict=True)
        ]
        classes = self._scene.classes([*alone, small, painted_over(small, masks)])
        held, ties = holders(found.people, found.things), tie_wearers(found.people, found.things)
        people = {}
        for index, (symbol, person, mask) in enumerate(zip(found.symbols, found.people, masks, strict=True)):
            mine = of_faces.get(index, {}) | clothing_answers(small, zoom, mask, person)
            seen = {
                "garment": garment_answer(classes[index], self._scene.name),
                "posture": posture_answer(person.pose) if person.pose else None,
                "holding": held.get(index),
                "tie": ties.get(index),
            }
            people[symbol] = mine | {name: answer for name, answer in seen.items() if answer is not None}
        return scene_answers(classes[-2], classes[-1], found.things, self._scene.name), people

    def _faces(self, pixels: Pixels, found: Found) -> dict[int, AnswersByName]:
        """Person's index -> answers of their face, for those who show one."""
        with_face = [(index, person.face) for index, person in enumerate(found.people) if person.face is not None]
        answers = face_answers(self._face_models, pixels, [face for _, face in with_face])
        return {index: answer for (index, _), answer in zip(with_face, answers, strict=True)}


def pairs(found: Found, answers: dict[str, AnswersByName]) -> list[Pair]:
    """What is seen between every two people, the nearest two first."""
    named = list(zip(found.symbols, found.people, strict=True))
    across = sorted(named, key=lambda person: float(head(person[1])[0]))
    neighbours = {frozenset((left[0], right[0])) for left, right in pairwise(across)}
    by_distance = sorted(
        combinations(named, 2), key=lambda two: float(np.linalg.norm(head(two[0][1]) - head(two[1][1])))
    )
    return [
        Pair(
            pair=(first, second),
            answers=pair_answers(one, other, answers[first], answers[second], neighbours={first, second} in neighbours),
        )
        for (first, one), (second, other) in by_distance
    ]
