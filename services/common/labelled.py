"""Labelled stories, as evaluations and searches take them: what must hold before any of them is read."""

from collections.abc import Sequence
from typing import Protocol

from services.common.errors import ProblemError


class Labelled(Protocol):
    """A story with the label that people gave it."""

    @property
    def id(self) -> str: ...
    @property
    def label(self) -> str: ...


def check_labelled(stories: Sequence[Labelled], labels: Sequence[str], fewest: int = 0) -> None:
    """Raise ``invalid_request`` where a label is none of ``labels``, two stories share an id, or too few are given.

    ``fewest``: stories that there must be for a label, on the average.
    """
    if len(stories) < fewest * len(labels):
        rule = f"{len(labels)} labels need at least {fewest * len(labels)}"
        raise ProblemError("invalid_request", f"stories: there are {len(stories)}; {rule}", param="stories")
    seen: set[str] = set()
    for number, story in enumerate(stories):
        if story.label not in labels:
            rule = f"label {story.label!r} is not one of {list(labels)}"
            raise ProblemError("invalid_request", f"stories.{number}: {rule}", param=f"stories.{number}.label")
        if story.id in seen:
            rule = f"id {story.id!r} stands there twice"
            raise ProblemError("invalid_request", f"stories.{number}: {rule}", param=f"stories.{number}.id")
        seen.add(story.id)
