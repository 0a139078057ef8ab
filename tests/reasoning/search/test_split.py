from collections import Counter

import pytest

from services.common.errors import ProblemError
from services.reasoning.search.split import split_stories, stratified_order
from tests.reasoning.search.stories import make_stories


def test_no_image_stands_on_two_sides_and_labels_are_alike():
    stories = make_stories(10)
    stories += [story.model_copy(update={"id": f"{story.id}b", "pair": ("P2", "P1")}) for story in stories]
    split = split_stories(stories, seed=1)
    parts = [{story.image for story in part} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 30
    assert [len(part) for part in (split.train, split.validation, split.test)] == [18, 12, 30]
    assert set(Counter(story.label for story in split.train).values()) == {6}


def test_a_seed_decides_the_split():
    stories = make_stories(10)
    assert split_stories(stories, 3) == split_stories(stories, 3) != split_stories(stories, 4)


def test_too_few_stories_are_refused():
    with pytest.raises(ProblemError, match="too few") as caught:
        split_stories(make_stories(1), seed=0)
    assert caught.value.param == "stories"


def test_every_beginning_of_a_batch_has_the_labels_in_turn():
    stories = make_stories(6)
    order = stratified_order(stories, seed=0, step=5)
    assert sorted(story.id for story in order) == sorted(story.id for story in stories)
    for n in range(3, 19, 3):
        assert set(Counter(story.label for story in order[:n]).values()) == {n // 3}
    assert order != stratified_order(stories, seed=0, step=6)
