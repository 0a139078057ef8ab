"""Labelled stories cut into what is searched on, what picks the winner and what judges it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.common.errors import ProblemError
from services.reasoning.schemas import LabelledStory

_TRAIN: Final = 0.3
_VALIDATION: Final = 0.2


@dataclass(frozen=True)
class Split:
    """``train`` proposes and accepts, ``validation`` picks the best, ``test`` is looked at once, at the end."""

    train: list[LabelledStory]
    validation: list[LabelledStory]
    test: list[LabelledStory]


def split_stories(stories: Sequence[LabelledStory], seed: int) -> Split:
    """Three tenths, two tenths and half of the stories, labels alike; pairs of one image stay together.

    Raises ``invalid_request`` where a part would be empty or a label would be missing from ``train``.
    """
    rng = np.random.default_rng([seed, 0])
    groups: dict[str, list[LabelledStory]] = {}
    for story in stories:
        groups.setdefault(story.image or story.story, []).append(story)
    # By the first pair's label, so that labels are spread alike; a photo's pairs mostly share theirs.
    by_label: dict[str, list[list[LabelledStory]]] = {}
    for group in groups.values():
        by_label.setdefault(group[0].label, []).append(group)
    parts: tuple[list[LabelledStory], ...] = ([], [], [])
    for label in sorted(by_label):
        order = [by_label[label][index] for index in rng.permutation(len(by_label[label]))]
        first = round(_TRAIN * len(order))
        second = round((_TRAIN + _VALIDATION) * len(order))
        for part, chosen in zip(parts, (order[:first], order[first:second], order[second:]), strict=True):
            part += [story for group in chosen for story in group]
    missing = sorted({story.label for story in stories} - {story.label for story in parts[0]})
    if missing or not all(parts):
        raise ProblemError(
            "invalid_request",
            f"stories: {len(stories)} in {len(groups)} images are too few to be split in three "
            f"({', '.join(missing) or 'a part'} would be missing); give at least 4 images for each label",
            param="stories",
        )
    return Split(*parts)


def stratified_order(stories: Sequence[LabelledStory], seed: int, step: int) -> list[LabelledStory]:
    """All stories in an order of this step's own in which labels take turns: each beginning of it is a batch."""
    rng = np.random.default_rng([seed, 1, step])
    by_label: dict[str, list[LabelledStory]] = {}
    for index in rng.permutation(len(stories)):
        by_label.setdefault(stories[index].label, []).append(stories[index])
    labels = [sorted(by_label)[index] for index in rng.permutation(len(by_label))]
    longest = max(len(group) for group in by_label.values())
    return [by_label[label][turn] for turn in range(longest) for label in labels if turn < len(by_label[label])]
