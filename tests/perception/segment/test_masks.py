from collections.abc import Callable

import numpy as np
import pytest

from services.perception.schemas import Mask
from services.perception.segment.masks import run_lengths, shrunk

Decoder = Callable[[Mask], np.ndarray]


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
