"""Candidate texts for each segment of the prompt, and which one of each is chosen.

The search space of Greedy Segment Prompt Optimization (Li et al., NeurIPS 2024, section 3.4): one pool per segment, one
text of each pool in the prompt. ``pools/`` ships fifteen texts for each segment of the two built-in taxonomies.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Final

from services.common.errors import ProblemError
from services.reasoning.prompt import SEGMENTS, Prompt, prompt_for
from services.reasoning.schemas import SegmentPools, Taxonomy

_FOLDER: Final = Path(__file__).parent / "pools"
_LEAK_WORDS: Final = 8
"""So many words in a row of a labelled story make a text a copy; six are still phrases such as "a man of about 30"."""

Choice = tuple[int, int, int, int]
"""Index of the chosen text in the pool of each segment, in the order of ``SEGMENTS``."""

START: Final[Choice] = (0, 0, 0, 0)
"""The first text of each pool; in the pools that ship it is the default prompt."""


class Pools(SegmentPools):
    """The pools as the search uses them."""

    def of(self, segment: int) -> list[str]:
        """The pool of the segment with this index in ``SEGMENTS``."""
        texts: list[str] = getattr(self, SEGMENTS[segment])
        return texts

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(self.of(segment)) for segment in range(len(SEGMENTS)))

    def prompt(self, choice: Choice) -> Prompt:
        """The prompt with the chosen texts."""
        texts = {name: self.of(segment)[choice[segment]] for segment, name in enumerate(SEGMENTS)}
        return Prompt(name=self.taxonomy, taxonomy=self.taxonomy, **texts)

    def neighbours(self, choice: Choice) -> list[Choice]:
        """All prompts that differ from ``choice`` in one segment."""
        return [
            swap(choice, segment, candidate)
            for segment, size in enumerate(self.sizes)
            for candidate in range(size)
            if candidate != choice[segment]
        ]


def swap(choice: Choice, segment: int, candidate: int) -> Choice:
    """``choice`` with another text in one segment."""
    changed = list(choice)
    changed[segment] = candidate
    return (changed[0], changed[1], changed[2], changed[3])


@lru_cache
def builtin_pools() -> dict[str, Pools]:
    """taxonomy's name -> the pools written for it."""
    found = (Pools.model_validate_json(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.json")))
    return {pools.taxonomy: pools for pools in found}


def pools_for(taxonomy: Taxonomy) -> Pools:
    """The pools that ship, or for a caller's own taxonomy those of PISC with a Context made from its definitions."""
    builtin = builtin_pools().get(taxonomy.name)
    if builtin is not None:
        return builtin
    own, pattern = prompt_for(taxonomy), builtin_pools()["pisc"]
    return Pools(
        taxonomy=taxonomy.name,
        system=pattern.system,
        expectation=[own.expectation],
        context=[own.context],
        guidance=[own.guidance],
    )


def check_pools(pools: Pools, taxonomy: Taxonomy, stories: Iterable[str]) -> None:
    """Raise ``invalid_request`` where a text is there twice, a Context loses a label or a text copies a story.

    A story that stands in a prompt would be its own answer, and every figure on it would lie.
    """
    for segment, name in enumerate(SEGMENTS):
        texts = pools.of(segment)
        for first, second in combinations(range(len(texts)), 2):
            if texts[first].split() == texts[second].split():
                raise _invalid(name, second, f"it is text {first} over again")
    for index, text in enumerate(pools.context):
        lost = [label.name for label in taxonomy.labels if label.name not in text]
        if lost:
            raise _invalid("context", index, f"it does not name {', '.join(lost)}")
    told = {words for story in stories for words in _runs(story)}
    for segment, name in enumerate(SEGMENTS):
        for index, text in enumerate(pools.of(segment)):
            copied = [words for words in _runs(text) if words in told]
            if copied:
                raise _invalid(name, index, f"it copies a labelled story: {' '.join(copied[0])!r}")


def _runs(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return [tuple(words[index : index + _LEAK_WORDS]) for index in range(len(words) - _LEAK_WORDS + 1)]


def _invalid(segment: str, index: int, rule: str) -> ProblemError:
    return ProblemError("invalid_request", f"pools.{segment}.{index}: {rule}", param=f"pools.{segment}")


def differing(first: Choice, second: Choice) -> Sequence[int]:
    """Indices of the segments in which two choices differ."""
    return [segment for segment, (one, other) in enumerate(zip(first, second, strict=True)) if one != other]
