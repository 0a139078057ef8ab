"""Who holds what, a small thing at a wrist; and who wears the tie."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.common.onnx_model import Float
from services.perception.ask.attributes import RULES
from services.perception.ask.pairs import head
from services.perception.boxes import centre, part_inside
from services.perception.detect.people import Subject
from services.perception.schemas import Answer, Thing

HOLDABLE: Final = frozenset(
    (
        "wine glass", "cup", "bottle", "cell phone", "book", "umbrella", "handbag", "suitcase", "ball", "frisbee",
        "tennis racket", "baseball bat", "baseball glove", "skateboard", "surfboard", "remote control", "laptop",
        "teddy bear", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "hot dog", "pizza",
        "donut", "cake", "pair of scissors", "hair drier", "toothbrush", "kite", "backpack",
    )
)  # fmt: skip
_REACH: Final = 0.6
"""How far beyond the wrist a hand holds, in lengths of the forearm."""

MIN_SCORE: Final = 0.4
_TIE_IN_BOX: Final = 0.9


def holders(people: Sequence[Subject], things: Sequence[Thing]) -> dict[int, Answer]:
    """Person's index -> ``holding`` answer naming the thing's symbol; one thing a person, one person a thing."""
    found: dict[int, Answer] = {}
    for thing in things:
        if thing.name not in HOLDABLE or thing.score < MIN_SCORE:
            continue
        reach = [(_reach(person, np.array(thing.box, np.float32)), index) for index, person in enumerate(people)]
        distance, index = min(reach, default=(np.inf, -1))
        if distance <= _REACH and index not in found:
            score = round(thing.score * (1 - 0.5 * distance / _REACH), 3)
            found[index] = Answer(value=thing.symbol, score=score, model=RULES)
    return found


def tie_wearers(people: Sequence[Subject], things: Sequence[Thing]) -> dict[int, Answer]:
    """Person's index -> ``tie`` answer: a tie is worn by the one under whose head it hangs, whoever's box it is in."""
    found: dict[int, Answer] = {}
    for thing in things:
        if thing.name != "tie" or thing.score < MIN_SCORE:
            continue
        box = np.array(thing.box, np.float32)
        aside = [
            (abs(float(centre(box)[0] - head(person)[0])), index)
            for index, person in enumerate(people)
            if part_inside(box, person.box) > _TIE_IN_BOX and head(person)[1] < centre(box)[1]
        ]
        _, index = min(aside, default=(np.inf, -1))
        if aside and index not in found:
            found[index] = Answer(value="tie", score=thing.score, model="centernet")
    return found


def _reach(person: Subject, box: Float) -> float:
    """Distance from the nearer wrist to the box, in forearms; infinite where no forearm is seen."""
    if person.pose is None:
        return np.inf
    reaches = [np.inf]
    for side in ("left", "right"):
        elbow, wrist = person.pose.point(f"{side}_elbow"), person.pose.point(f"{side}_wrist")
        if elbow is None or wrist is None:
            continue
        nearest = np.clip(wrist, box[:2], box[2:])
        reaches.append(float(np.linalg.norm(wrist - nearest) / max(float(np.linalg.norm(wrist - elbow)), 1.0)))
    return min(reaches)
