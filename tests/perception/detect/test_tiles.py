"""Long pictures in parts."""

from itertools import pairwise

import numpy as np
import pytest

from services.perception.detect.tiles import in_tiles, tiles
from services.perception.pipeline import Perception
from tests.perception.conftest import Pixels, told
from tests.perception.figures import box


@pytest.mark.parametrize("size", [(1000, 667), (1920, 1080), (100, 100), (1, 1)])
def test_a_picture_that_is_not_long_is_seen_whole(size: tuple[int, int]):
    assert tiles(*size) == [(0, 0, *size)]


@pytest.mark.parametrize(("size", "count"), [((2000, 1000), 2), ((3000, 1000), 3), ((1000, 5000), 5)])
def test_parts_cover_a_long_one_and_overlap(size: tuple[int, int], count: int):
    parts = tiles(*size)
    assert len(parts) == count
    along = 0 if size[0] > size[1] else 1
    assert parts[0][along] == 0 and parts[-1][along + 2] == max(size)
    for one, following in pairwise(parts):
        assert following[along] < one[along + 2]


@pytest.mark.parametrize("size", [(50_000_000, 1), (1001, 100)])
def test_what_is_too_long_to_show_people_costs_one_look(size: tuple[int, int]):
    assert len(tiles(*size)) == 1


def test_one_thing_seen_in_two_parts_is_one_and_two_in_one_part_stay_two():
    """A picture of 20 x 10 in two parts, 0 to 15 and 5 to 20. The wide thing is whole in the second part alone."""
    views = iter(
        [
            [box(2, 0, 6, 9), box(3, 0, 5, 9), box(10, 0, 15, 9), box(8, 0, 9.5, 9)],
            [box(5, 0, 13, 9), box(3, 0, 4.6, 9)],
        ]
    )
    found = in_tiles(
        np.zeros((10, 20, 3), np.uint8),
        lambda part: next(views),
        lambda one, shift: one + np.tile(shift, 2).astype(np.float32),
        lambda one: one,
    )
    assert sorted([one.tolist()[0] for one in found]) == [2, 3, 8, 10]
    assert [10, 0, 18, 9] in [one.tolist() for one in found]


def test_ten_people_in_a_row_are_found(perception: Perception, friends: Pixels):
    row = np.concatenate([friends, friends[:, ::-1]], axis=1)
    story = told(perception, row)
    assert len(story.people) == 10
    middles = [person.box[0] + person.box[2] for person in story.people]
    assert middles == sorted(middles)
    assert len(story.sentences) <= 15
