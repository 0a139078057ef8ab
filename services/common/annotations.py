"""Annotation lists of PIPA and PISC: who in which photo has which relation, ten columns of text a line.

``image x0 y0 x1 y1  x0 y0 x1 y1  label``: the two people's boxes in pixels and the label's number in the taxonomy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.common.errors import ProblemError

Box = tuple[float, float, float, float]

_COLUMNS: Final = 10
_SAME_PERSON: Final = 0.5
"""Share of the union that a seen person and an annotated one have in common at least."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "pisc": ("friends", "family", "couple", "professional", "commercial", "no-relation"),
    "pipa": (
        "father-child", "mother-child", "grandpa-grandchild", "grandma-grandchild", "friends", "siblings", "classmates",
        "lovers/spouses", "presenter-audience", "teacher-student", "trainer-trainee", "leader-subordinate",
        "band members", "dance team members", "sport team members", "colleagues",
    ),
}  # fmt: skip
"""In the order in which the published lists count them from 0."""


@dataclass(frozen=True)
class AnnotatedPair:
    """Two people of a photo by the symbols that its story gives them: with that story, a labelled story."""

    id: str
    pair: tuple[str, str]
    label: str
    image: str


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

    def seen(self, people: Mapping[str, Box]) -> list[AnnotatedPair]:
        """The pairs whose two people are among those that were seen: symbol -> box. Others are left out."""
        symbols = [_symbol_of(box, people) for box in self.boxes]
        pairs = []
        for number, (one, other, label) in enumerate(self.pairs, start=1):
            first, second = symbols[one], symbols[other]
            if first is not None and second is not None and first != second:
                pairs.append(AnnotatedPair(f"{self.image}#{number}", (first, second), label, self.image))
        return pairs


def read_annotations(text: str, source: str, labels: Sequence[str]) -> list[AnnotatedPhoto]:
    """The photos of a list, in order. ``labels``: of the taxonomy, by number; ``source`` names the list in errors.

    Raises ``invalid_request`` naming the line that is at fault.
    """
    photos: dict[str, AnnotatedPhoto] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        columns = line.split()
        if not columns:
            continue
        at = f"{source}:{number}"
        if len(columns) != _COLUMNS:
            raise _wrong(at, f"it has {len(columns)} columns; a line has {_COLUMNS}")
        image = columns[0]
        try:
            *edges, label = (int(float(column)) for column in columns[1:])
        except (ValueError, OverflowError):
            raise _wrong(at, "a column behind the image is no number") from None
        if not 0 <= label < len(labels):
            raise _wrong(at, f"label {label} is not one of 0 to {len(labels) - 1}")
        first, second = (edges[0], edges[1], edges[2], edges[3]), (edges[4], edges[5], edges[6], edges[7])
        for x0, y0, x1, y1 in (first, second):
            if x1 <= x0 or y1 <= y0:
                raise _wrong(at, f"box {x0} {y0} {x1} {y1} has no area; x0 < x1 and y0 < y1")
        if first == second:
            raise _wrong(at, "both boxes are of one person")
        photos.setdefault(image, AnnotatedPhoto(image)).add(first, second, labels[label])
    if not photos:
        raise ProblemError("invalid_request", f"{source}: it has no line", param="annotations")
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


def _symbol_of(box: Box, people: Mapping[str, Box]) -> str | None:
    best = max(people, key=lambda symbol: overlap(people[symbol], box), default=None)
    return best if best is not None and overlap(people[best], box) >= _SAME_PERSON else None


def _wrong(at: str, rule: str) -> ProblemError:
    return ProblemError("invalid_request", f"{at}: {rule}", param="annotations")
