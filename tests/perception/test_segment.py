from collections.abc import Callable

import numpy as np
import pytest

from services.perception.schemas import Mask, Story
from services.perception.segment import Segmenter, run_lengths, shrunk
from tests.perception.conftest import Pixels, model
from tests.perception.figures import subject

Decoder = Callable[[Mask], np.ndarray]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(model("segmentation"))


class TestRunLengths:
    def test_runs_go_down_the_columns_and_begin_with_zeros(self):
        mask = np.array([[0, 1, 1], [0, 0, 1]], bool)
        assert run_lengths(mask, 3, 2) == Mask(size=(2, 3), counts=[2, 1, 1, 2])

    def test_a_mask_that_begins_with_ones_has_no_zeros_first(self):
        assert run_lengths(np.array([[1, 0]], bool), 2, 1).counts == [0, 1, 1]

    @pytest.mark.parametrize("value", [False, True])
    def test_all_or_nothing(self, value: bool, decoded: Decoder):
        mask = run_lengths(np.full((4, 5), value), 5, 4)
        assert (decoded(mask) == value).all() and decoded(mask).shape == (4, 5)

    def test_any_mask_comes_back(self, decoded: Decoder):
        mask = np.random.default_rng(7).random((37, 23)) > 0.6
        np.testing.assert_array_equal(decoded(run_lengths(mask, 23, 37)), mask)

    def test_a_mask_of_the_small_photo_is_told_at_the_photos_size(self, decoded: Decoder):
        mask = np.zeros((10, 20), bool)
        mask[2:5, 4:9] = True
        large = decoded(run_lengths(mask, 80, 40))
        assert large.shape == (40, 80)
        assert large[8:20, 16:36].all() and large.sum() == 12 * 20


def test_a_large_photo_is_shrunk_and_a_small_one_left():
    assert shrunk(np.zeros((1000, 2000, 3), np.uint8))[0].shape == (320, 640, 3)
    small = np.zeros((100, 50, 3), np.uint8)
    assert shrunk(small) == (small, 1.0)


def test_nobody_has_no_mask(segmenter: Segmenter):
    assert segmenter.segment(np.zeros((50, 50, 3), np.uint8), []) == []


def test_no_pixel_belongs_to_two_people(segmenter: Segmenter, officer: Pixels):
    left, right = segmenter.segment(officer, [subject(100, 0, 2), subject(200, 0, 2)])
    assert not (left & right).any()
    assert left.any() and right.any()


class TestOfTheFriends:
    def test_every_mask_lies_in_its_persons_box_and_covers_their_face(self, friends_story: Story, decoded: Decoder):
        for person in friends_story.people:
            assert person.mask is not None and person.face_box is not None
            mask = decoded(person.mask)
            rows, columns = np.nonzero(mask)
            x0, y0, x1, y1 = person.box
            assert columns.min() >= x0 - 2 and columns.max() <= x1 + 2
            assert rows.min() >= y0 - 2 and rows.max() <= y1 + 2
            a0, b0, a1, b1 = (round(value) for value in person.face_box)
            assert mask[b0:b1, a0:a1].mean() > 0.9

    def test_masks_are_apart(self, friends_story: Story, decoded: Decoder):
        masks = [decoded(person.mask) for person in friends_story.people if person.mask]
        assert np.sum(masks, axis=0).max() == 1
