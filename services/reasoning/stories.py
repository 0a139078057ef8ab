"""Labelled stories: one JSON object a line, with ``id``, ``taxonomy``, ``story``, ``pair`` and ``label``."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.common.errors import ProblemError
from services.reasoning.schemas import Symbol, Taxonomy


class LabelledStory(BaseModel):
    """A story, the pair asked for and their relation."""

    model_config = ConfigDict(extra="ignore")

    id: str
    story: str
    pair: tuple[Symbol, Symbol]
    label: str


def stories_sha256(path: Path) -> str:
    """Tells whether two runs used the same file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_stories(path: Path, taxonomy: Taxonomy, limit: int | None) -> list[LabelledStory]:
    """The stories in an order in which the labels take turns, so that the first ``limit`` have all labels alike.

    Raises ``invalid_request`` naming the line that is at fault.
    """
    labels = [label.name for label in taxonomy.labels]
    by_label: dict[str, list[LabelledStory]] = {label: [] for label in labels}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            story = LabelledStory.model_validate_json(line)
        except ValidationError as error:
            raise ProblemError("invalid_request", f"{path}:{number}: {error.errors()[0]['msg']}") from error
        if story.label not in by_label:
            raise ProblemError("invalid_request", f"{path}:{number}: label {story.label!r} is not one of {labels}")
        by_label[story.label].append(story)
    turns = [
        (turn, labels.index(label), story) for label, group in by_label.items() for turn, story in enumerate(group)
    ]
    return [story for _, _, story in sorted(turns, key=lambda item: item[:2])][:limit]
