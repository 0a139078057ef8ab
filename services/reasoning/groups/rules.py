"""Rules over three people: which labels of two of their pairs go with which labels of the third.

"My relative's relative is my relative" holds often and not always, so a rule is soft: its weight is the logarithm of
how many times more (or less) often the pattern stands in labelled groups than it would if pairs were labelled alone.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Pair = tuple[str, str]

_FOLDER: Final = Path(__file__).parent
_SMOOTHING: Final = 2.0
"""Triangles added to what was counted and to what was expected: a pattern that is hardly ever met weighs little."""


class Rule(BaseModel):
    """Two pairs of a triangle are labelled ``two``, in either order, and the third is one of ``third``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    two: tuple[str, str]
    third: tuple[str, ...] = Field(min_length=1)
    weight: float = 0.0

    def matches(self, labels: tuple[str, str, str]) -> bool:
        """Does any of the three pairs stand where the rule's third stands?"""
        return any(
            labels[last] in self.third
            and sorted(labels[index] for index in range(3) if index != last) == sorted(self.two)
            for last in range(3)
        )


@lru_cache
def rules_of(taxonomy: str) -> tuple[Rule, ...]:
    """The rules that ship for a built-in taxonomy; none for a caller's own."""
    path = _FOLDER / f"{taxonomy}.json"
    if not path.is_file():
        return ()
    return tuple(Rule.model_validate(rule) for rule in json.loads(path.read_text(encoding="utf-8")))


def triangles(pairs: Sequence[Pair]) -> list[tuple[int, int, int]]:
    """Indices of three pairs that join three people, each triangle once."""
    index = {frozenset(pair): number for number, pair in enumerate(pairs)}
    people = sorted({symbol for pair in pairs for symbol in pair})
    found = []
    for a, b, c in itertools.combinations(people, 3):
        sides = (index.get(frozenset((a, b))), index.get(frozenset((a, c))), index.get(frozenset((b, c))))
        if sides[0] is not None and sides[1] is not None and sides[2] is not None:
            found.append((sides[0], sides[1], sides[2]))
    return found


def table(rules: Sequence[Rule], labels: Sequence[str]) -> NDArray[np.float64]:
    """What a triangle with labels (x, y, z) adds to the log-score of a group, shape (labels, labels, labels)."""
    found = np.zeros((len(labels),) * 3)
    for x, y, z in itertools.product(range(len(labels)), repeat=3):
        three = (labels[x], labels[y], labels[z])
        found[x, y, z] = sum(rule.weight for rule in rules if rule.matches(three))
    return found


def load_groups(path: Path) -> list[dict[Pair, str]]:
    """Labelled groups, one JSON object a line: ``{"group": "...", "pairs": {"P1 P2": "friends", ...}}``.

    Raises ``ValueError`` naming the line that is at fault.
    """
    groups: list[dict[Pair, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            told: dict[str, str] = json.loads(line)["pairs"]
            pairs = {tuple(key.split()): label for key, label in told.items()}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"{path}:{number}: no group with pairs: {error}") from error
        wrong = [pair for pair in pairs if len(pair) != 2]
        if wrong:
            raise ValueError(f"{path}:{number}: pairs: {' '.join(wrong[0])!r} does not name two people")
        groups.append({(pair[0], pair[1]): label for pair, label in pairs.items()})
    return groups


def save_rules(taxonomy: str, rules: Sequence[Rule]) -> None:
    """One rule a line, in the file that ``rules_of`` reads."""
    lines = ",\n".join(f"  {rule.model_dump_json()}" for rule in rules)
    (_FOLDER / f"{taxonomy}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def learn(rules: Sequence[Rule], groups: Sequence[Mapping[Pair, str]]) -> list[Rule]:
    """The rules with weights from labelled groups (pair -> label): log of counted over expected triangles.

    Expected are those that there would be if each pair had its label whatever the others have. Raises ``ValueError``
    where no group has a triangle.
    """
    seen = [
        (labels[a], labels[b], labels[c])
        for pairs, labels in ((list(group), list(group.values())) for group in groups)
        for a, b, c in triangles(pairs)
    ]
    if not seen:
        raise ValueError("groups: none has three people with all three pairs labelled")
    flat = [label for three in seen for label in three]
    share = {label: flat.count(label) / len(flat) for label in set(flat)}
    learned = []
    for rule in rules:
        counted = sum(rule.matches(three) for three in seen)
        chance = sum(
            share[x] * share[y] * share[z] for x, y, z in itertools.product(share, repeat=3) if rule.matches((x, y, z))
        )
        weight = np.log((counted + _SMOOTHING) / (chance * len(seen) + _SMOOTHING))
        learned.append(rule.model_copy(update={"weight": round(float(weight), 4)}))
    return learned
