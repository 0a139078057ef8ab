"""Annotation lists of PIPA and PISC: who in which photo has which relation, ten columns of text a line.

``image x0 y0 x1 y1  x0 y0 x1 y1  label``: the two people's boxes in pixels and the label's number in the taxonomy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.api.answers import BuiltinTaxonomy
from services.common.errors import ProblemError
from services.perception.schemas import Box, Person
from services.reasoning.schemas import LabelledStory

_COLUMNS: Final = 10
LABELS: Final[dict[BuiltinTaxonomy, tuple[str, ...]]] = {
    "pisc": ("friends", "family", "couple", "professional", "commercial", "no-relation"),
    "pipa": (
        "father-child", "mother-child", "grandpa-grandchild", "grandma-grandchild", "friends", "siblings", "classmates",
        "lovers/spouses", "presenter-audience", "teacher-student", "trainer-trainee", "leader-subordinate",
        "band members", "dance team members", "sport team members", "colleagues",
    ),
}  # fmt: skip
"""In the order in which the published lists count them from 0."""


@dataclass
class AnnotatedPhoto:
    """``boxes``: of all its people, in the order in which the list names them; ``pairs``: two of them and a label."""

    image: str
    boxes: list[Box] = field(default_factory=list)
    pairs: list[tuple[int, int, str]] = field(default_factory=list)

    def _person(self, box: Box) -> int:
        if box not in self.boxes:
            self.boxes.append(box)
        return self.boxes.index(box)

    def add(self, first: Box, second: Box, label: str) -> None:
        """A line of the list."""
        self.pairs.append((self._person(first), self._person(second), label))

    def stories(self, people: Sequence[Person], story: str) -> list[LabelledStory]:
        """One labelled story for each pair; ``people`` and ``story`` are what was seen in ``boxes``."""
        symbols = [max(people, key=lambda person: overlap(person.box, box)).symbol for box in self.boxes]
        return [
            LabelledStory(
                id=f"{self.image}#{number}",
                story=story,
                pair=(symbols[first], symbols[second]),
                label=label,
                image=self.image,
            )
            for number, (first, second, label) in enumerate(self.pairs, start=1)
            if symbols[first] != symbols[second]
        ]


def read_annotations(path: Path, labels: Sequence[str]) -> list[AnnotatedPhoto]:
    """The photos of a list, in order. ``labels``: of the taxonomy, by number.

    Raises ``invalid_request`` naming the line that is at fault.
    """
    photos: dict[str, AnnotatedPhoto] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != _COLUMNS:
            raise _wrong(path, number, f"it has {len(columns)} columns; a line has {_COLUMNS}")
        image = columns[0]
        try:
            *edges, label = (int(float(column)) for column in columns[1:])
        except ValueError:
            raise _wrong(path, number, "a column behind the image is no number") from None
        if not 0 <= label < len(labels):
            raise _wrong(path, number, f"label {label} is not one of 0 to {len(labels) - 1}")
        first, second = (edges[0], edges[1], edges[2], edges[3]), (edges[4], edges[5], edges[6], edges[7])
        for x0, y0, x1, y1 in (first, second):
            if x1 <= x0 or y1 <= y0:
                raise _wrong(path, number, f"box {x0} {y0} {x1} {y1} has no area; x0 < x1 and y0 < y1")
        if first == second:
            raise _wrong(path, number, "both boxes are of one person")
        photos.setdefault(image, AnnotatedPhoto(image)).add(first, second, labels[label])
    if not photos:
        raise ProblemError("invalid_request", f"{path}: it has no line", param="annotations")
    return list(photos.values())


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other))
    return common / (areas - common)


def _wrong(path: Path, number: int, rule: str) -> ProblemError:
    return ProblemError("invalid_request", f"{path}:{number}: {rule}", param="annotations")
