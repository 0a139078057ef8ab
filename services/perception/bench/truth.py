"""People and answers against what was written down by hand (``truth.json``), and sentences against records."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.common.errors import ProblemError
from services.common.stopwatch import Stopwatch
from services.perception.bench.pictures import picture
from services.perception.boxes import iou
from services.perception.pipeline import Perception, Photo
from services.perception.schemas import Answer, Box, Person, Story, StoryOptions

TRUTH: Final = Path(__file__).with_name("truth.json")
_SAME_IOU: Final = 0.4


class TruePerson(BaseModel):
    """``age`` is from and to; all others are the values that are right; what is not named is not judged."""

    model_config = ConfigDict(extra="allow")

    box: Box
    age: tuple[int, int]

    def is_right(self, name: str, value: str) -> bool | None:
        """None where the truth says nothing about it."""
        if name == "age":
            return self.age[0] <= int(value) <= self.age[1]
        right: list[str] | None = (self.model_extra or {}).get(name)
        return None if right is None else value in right


class TruePhoto(BaseModel):
    """``part`` of the photo: a picture of its own."""

    photo: str
    part: tuple[int, int, int, int] | None = None
    setting: list[str] = []
    people: list[TruePerson]


@dataclass
class Tally:
    """Over all pictures. ``wrong`` names each wrong answer: picture, person, question, value."""

    pictures: int = 0
    photos: set[str] = field(default_factory=set)
    people: int = 0
    found: int = 0
    invented: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    sentences: int = 0
    without_record: list[str] = field(default_factory=list)


def measure(perception: Perception, truths: Sequence[TruePhoto]) -> Tally:
    """Tells every picture and compares."""
    tally = Tally()
    for truth in truths:
        pixels = picture(truth.photo)
        if truth.part is not None:
            x0, y0, x1, y1 = truth.part
            pixels = np.ascontiguousarray(pixels[y0:y1, x0:x1])
        tally.pictures += 1
        tally.photos.add(truth.photo)
        tally.people += len(truth.people)
        photo = Photo(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), [])
        try:
            story = perception.story(photo, StoryOptions(), Stopwatch())
        except ProblemError as problem:
            if problem.code != "no_person":
                raise
            continue
        _compare(tally, truth, story)
        tally.sentences += len(story.sentences)
        tally.without_record += unbacked(story)
    return tally


def load_truth() -> list[TruePhoto]:
    """The photos that were looked at by hand."""
    return [TruePhoto.model_validate(one) for one in json.loads(TRUTH.read_text(encoding="utf-8"))]


def unbacked(story: Story) -> list[str]:
    """Sentences that tell a number or a symbol that none of their records has, or that name no record that is there."""
    records = {record.id: record for record in story.records}
    lost = []
    for sentence in story.sentences:
        known = [records[name] for name in sentence.records if name in records]
        backed = " ".join(record.text for record in known)
        about = {f"<{symbol}>" for record in known for symbol in record.about}
        symbols = set(re.findall(r"<[PO]\d+>", sentence.text))
        numbers = set(re.findall(r"\d+", re.sub(r"<[PO]\d+>", "", sentence.text)))
        if not known or not symbols <= about or not numbers <= set(re.findall(r"\d+", backed)):
            lost.append(sentence.text)
    return lost


def _compare(tally: Tally, truth: TruePhoto, story: Story) -> None:
    pairs = _matched(truth.people, story.people)
    tally.found += len(pairs)
    tally.invented += len(story.people) - len(pairs)
    for true, person in pairs:
        for name, answer in person.attributes.items():
            _judge(tally, f"{truth.photo} {person.symbol}", name, answer, true.is_right(name, answer.value))
    setting = story.scene.get("setting")
    if setting is not None and truth.setting:
        _judge(tally, truth.photo, "setting", setting, setting.value in truth.setting)


def _judge(tally: Tally, where: str, name: str, answer: Answer, right: bool | None) -> None:
    if right is None:
        return
    tally.answers += 1
    if not right:
        tally.wrong.append(f"{where}: {name} {answer.value} ({answer.score})")


def _matched(true: Sequence[TruePerson], seen: Sequence[Person]) -> list[tuple[TruePerson, Person]]:
    """One to one, the best fit first."""
    fits: list[tuple[float, int, int]] = sorted(
        (
            (iou(_array(one.box), _array(other.box)), index, number)
            for index, one in enumerate(true)
            for number, other in enumerate(seen)
        ),
        reverse=True,
    )
    pairs: dict[int, int] = {}
    for fit, index, number in fits:
        if fit >= _SAME_IOU and index not in pairs and number not in pairs.values():
            pairs[index] = number
    return [(true[index], seen[number]) for index, number in pairs.items()]


def _array(box: Box) -> Any:
    return np.array(box, np.float32)
