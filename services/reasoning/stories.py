"""Labelled stories: one JSON object a line, with ``id``, ``taxonomy``, ``story``, ``pair`` and ``label``."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from services.common.errors import ProblemError
from services.reasoning.schemas import LabelledStory, Taxonomy


def stories_sha256(path: Path) -> str:
    """Tells whether two runs used the same file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_turns(stories: Sequence[LabelledStory], taxonomy: Taxonomy) -> list[LabelledStory]:
    """The stories in an order in which the labels take turns."""
    labels = [label.name for label in taxonomy.labels]
    turns: list[tuple[int, int, LabelledStory]] = []
    seen = dict.fromkeys(labels, 0)
    for story in stories:
        turns.append((seen[story.label], labels.index(story.label), story))
        seen[story.label] += 1
    return [story for _, _, story in sorted(turns, key=lambda item: item[:2])]


def load_stories(path: Path, taxonomy: Taxonomy, limit: int | None) -> list[LabelledStory]:
    """The stories in an order in which the labels take turns, so that the first ``limit`` have all labels alike.

    Raises ``invalid_request`` naming the line that is at fault.
    """
    labels = [label.name for label in taxonomy.labels]
    stories = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            story = LabelledStory.model_validate_json(line)
        except ValidationError as error:
            raise ProblemError("invalid_request", f"{path}:{number}: {error.errors()[0]['msg']}") from error
        if story.label not in labels:
            raise ProblemError("invalid_request", f"{path}:{number}: label {story.label!r} is not one of {labels}")
        stories.append(story)
    return in_turns(stories, taxonomy)[:limit]
