"""What is seen between two people: distance, touch, where they look, how far apart in age."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.common.onnx_model import Float
from services.perception.ask.attributes import RULES, mean_point
from services.perception.boxes import area, centre, contains
from services.perception.detect.people import Subject
from services.perception.schemas import Answer

_SHOULDERS_PER_FACE: Final = 2.0
"""Width of the shoulders in widths of the face, for people whose shoulders are hidden."""

_CLOSE, _NEAR, _APART = 1.4, 2.5, 5.0
"""Distance between heads, in widths of the shoulders: side by side, within reach, a few steps."""

_BEHIND: Final = 1.5
"""Ratio of face sizes from which the smaller one stands further back (or is a child; the ages tell)."""

_HANDS: Final = 0.35
_ARM_ROUND: Final = 0.5
_LEANING: Final = 1.3
"""Distance of face centres, in mean face widths, below which heads touch or nearly do."""


def pair_answers(
    first: Subject,
    second: Subject,
    first_answers: dict[str, Answer],
    second_answers: dict[str, Answer],
    *,
    neighbours: bool,
) -> dict[str, Answer]:
    """``side`` (where the second is, seen from the first), ``distance``, ``touch``, ``looks``, ``dress``, ``age_gap``.

    ``neighbours``: no one stands between them; only then does a turned head look at the other. A key is missing where
    the photo does not show it. Values of ``touch`` say who does what: ``first_arm_round``.
    """
    scale = (shoulder_width(first) + shoulder_width(second)) / 2
    answers = {"side": _side(first, second), "distance": _distance(first, second, scale)}
    touch = _touch(first, second, scale) if answers["distance"].value != "far apart" else None
    if touch is not None:
        answers["touch"] = touch
    looks = _looks(first, second, first_answers, second_answers)
    if looks is not None and (neighbours or looks.value.startswith("both_")):
        answers["looks"] = looks
    dress = _dress(first_answers, second_answers)
    if dress is not None:
        answers["dress"] = dress
    ages = [answers.get("age") for answers in (first_answers, second_answers)]
    if ages[0] is not None and ages[1] is not None:
        gap = int(ages[1].value) - int(ages[0].value)
        answers["age_gap"] = Answer(value=str(gap), score=min(ages[0].score, ages[1].score), model=RULES)
    return answers


def shoulder_width(person: Subject) -> float:
    """In pixels, from the shoulders, else the face, else the box."""
    widths = [person.box[2] - person.box[0] if person.face is None and person.pose is None else 0.0]
    if person.pose is not None:
        left, right = (person.pose.point(f"{side}_shoulder") for side in ("left", "right"))
        if left is not None and right is not None:
            widths.append(np.linalg.norm(left - right))
    if person.face is not None:
        widths.append(_SHOULDERS_PER_FACE * (person.face.box[2] - person.face.box[0]))
    return float(max(*widths, 1.0)) if max(widths) > 1 else float(max(person.box[2] - person.box[0], 1.0))


def head(person: Subject) -> Float:
    """(2,) x, y of the middle of the head."""
    if person.face is not None:
        return centre(person.face.box)
    if person.pose is not None:
        seen = mean_point([person.pose.point(name) for name in ("nose", "left_ear", "right_ear")])
        if seen is not None:
            return seen
    x0, y0, x1, y1 = person.box
    return np.array([(x0 + x1) / 2, y0 + 0.12 * (y1 - y0)], np.float32)


def _side(first: Subject, second: Subject) -> Answer:
    value = "right" if head(second)[0] >= head(first)[0] else "left"
    return Answer(value=value, score=1.0, model=RULES)


def _distance(first: Subject, second: Subject, scale: float) -> Answer:
    apart = float(np.linalg.norm(head(first) - head(second)) / scale)
    faces = [person.face for person in (first, second) if person.face is not None]
    if len(faces) == 2:
        sizes = sorted(area(face.box) ** 0.5 for face in faces)
        if sizes[1] / max(sizes[0], 1.0) > _BEHIND and apart > _CLOSE:
            return Answer(value="one further back", score=0.6, model=RULES)
    for value, limit in (("side by side", _CLOSE), ("within reach", _NEAR), ("a few steps apart", _APART)):
        if apart < limit:
            return Answer(value=value, score=0.8, model=RULES)
    return Answer(value="far apart", score=0.8, model=RULES)


def _touch(first: Subject, second: Subject, scale: float) -> Answer | None:
    """The surest touch that wrists, shoulders and faces show."""
    found = [
        touch
        for touch in (
            _hands(first, second, scale),
            _arm_round(first, second, scale, "first_arm_round"),
            _arm_round(second, first, scale, "second_arm_round"),
            _heads(first, second),
        )
        if touch is not None
    ]
    return max(found, key=lambda touch: touch.score, default=None)


def _hands(first: Subject, second: Subject, scale: float) -> Answer | None:
    gaps = [
        (float(np.linalg.norm(mine[:2] - theirs[:2])), float(min(mine[2], theirs[2])))
        for mine in _wrists(first)
        for theirs in _wrists(second)
    ]
    if not gaps:
        return None
    gap, seen = min(gaps)
    if gap > _HANDS * scale:
        return None
    return Answer(
        value="hands_together", score=round(min(seen, 1.0) * (1 - 0.5 * gap / (_HANDS * scale)), 3), model=RULES
    )


def _arm_round(holder: Subject, held: Subject, scale: float, value: str) -> Answer | None:
    """A wrist of the holder at the far shoulder of the other: beyond the other's head, seen from the holder."""
    if held.pose is None:
        return None
    away = np.sign(head(held)[0] - head(holder)[0])
    best = 0.0
    for side in ("left", "right"):
        shoulder = held.pose.point(f"{side}_shoulder")
        if shoulder is None:
            continue
        for wrist in _wrists(holder):
            gap = float(np.linalg.norm(wrist[:2] - shoulder)) / (_ARM_ROUND * scale)
            beyond = away * (wrist[0] - head(held)[0]) > -0.3 * scale
            if gap < 1 and beyond:
                best = max(best, float(wrist[2]) * (1 - 0.5 * gap))
    return Answer(value=value, score=round(min(best, 1.0), 3), model=RULES) if best else None


def _heads(first: Subject, second: Subject) -> Answer | None:
    if first.face is None or second.face is None:
        return None
    a, b = first.face.box, second.face.box
    wide = ((a[2] - a[0]) + (b[2] - b[0])) / 2
    gap = float(np.linalg.norm(centre(a) - centre(b)) / max(wide, 1.0))
    if gap > _LEANING or contains(a, centre(b)):
        return None
    return Answer(value="heads_together", score=round(0.5 + 0.4 * (_LEANING - gap), 3), model=RULES)


def _wrists(person: Subject) -> Sequence[Float]:
    """(3,) x, y, score of the wrists that are seen."""
    if person.pose is None:
        return []
    return [point for point in person.pose.points[9:11] if point[2] >= 0.35]


def _looks(
    first: Subject, second: Subject, first_answers: dict[str, Answer], second_answers: dict[str, Answer]
) -> Answer | None:
    if "gaze" not in first_answers or "gaze" not in second_answers:
        return None
    to_second = "right" if head(second)[0] >= head(first)[0] else "left"
    to_first = "left" if to_second == "right" else "right"
    mine, theirs = first_answers["gaze"], second_answers["gaze"]
    score = min(mine.score, theirs.score)
    if mine.value == to_second and theirs.value == to_first:
        return Answer(value="face_each_other", score=score, model=RULES)
    if mine.value == theirs.value:
        return Answer(value="both_camera" if mine.value == "camera" else f"both_{mine.value}", score=score, model=RULES)
    if mine.value == to_second:
        return Answer(value="first_at_second", score=score, model=RULES)
    if theirs.value == to_first:
        return Answer(value="second_at_first", score=score, model=RULES)
    return None


_UNIFORMS: Final = ("gown", "uniform", "robe", "lab coat", "apron", "kimono", "vestment", "abaya", "helmet")


def _dress(first: dict[str, Answer], second: dict[str, Answer]) -> Answer | None:
    """How alike they are dressed: ``uniform`` (the same garment of a kind that people wear by rule), ``alike`` (top and
    what is below it of the same colours), None where they are not."""
    scores = []
    for name in ("garment", "top_colour", "bottom_colour"):
        mine, theirs = first.get(name), second.get(name)
        same = mine is not None and theirs is not None and mine.value == theirs.value
        scores.append(min(mine.score, theirs.score) if same and mine and theirs else 0.0)
    garment, top, bottom = scores
    if garment and any(word in first["garment"].value for word in _UNIFORMS):
        return Answer(value="uniform", score=garment, model=RULES)
    if top and bottom:
        return Answer(value="alike", score=min(top, bottom), model=RULES)
    return None
