import numpy as np
import pytest

from services.perception.boxes import area, centre, clipped, contains, cut, grown, intersection, iou, part_inside
from tests.perception.figures import box


def test_equal_boxes_overlap_fully():
    assert iou(box(0, 0, 10, 10), box(0, 0, 10, 10)) == pytest.approx(1)


def test_boxes_side_by_side_share_nothing():
    assert iou(box(0, 0, 10, 10), box(10, 0, 20, 10)) == 0
    assert intersection(box(0, 0, 10, 10), box(30, 30, 40, 40)) == 0


def test_a_box_without_extent_has_no_area_and_divides_by_nothing():
    empty = box(5, 5, 5, 5)
    assert area(empty) == 0
    assert (iou(empty, empty), part_inside(empty, box(0, 0, 10, 10))) == (0, 0)


def test_half_of_a_box_lies_in_another():
    assert part_inside(box(0, 0, 10, 10), box(5, 0, 50, 10)) == pytest.approx(0.5)


def test_an_edge_belongs_to_the_box():
    assert contains(box(0, 0, 10, 10), np.array([10, 0], np.float32))
    assert not contains(box(0, 0, 10, 10), np.array([10.1, 0], np.float32))


def test_clipping_keeps_a_box_in_the_picture():
    assert clipped(box(-5, -5, 30, 15), width=20, height=10).tolist() == [0, 0, 20, 10]


def test_growing_keeps_the_centre():
    bigger = grown(box(10, 10, 20, 30), 0.5)
    assert bigger.tolist() == [5, 0, 25, 40]
    assert centre(bigger).tolist() == [15, 20]


def test_a_cut_says_which_whole_pixels_it_holds():
    pixels = np.arange(100, dtype=np.uint8).reshape(10, 10, 1).repeat(3, 2)
    part, cut_box = cut(pixels, box(2.5, -3, 4.5, 2))
    assert cut_box.tolist() == [2, 0, 5, 2]
    np.testing.assert_array_equal(part, pixels[0:2, 2:5])


@pytest.mark.parametrize("sides", [(3.2, 3.2, 3.4, 3.4), (10, 10, 10, 10), (-9, -9, -5, -5), (50, 50, 60, 60)])
def test_a_cut_holds_at_least_one_pixel(sides: tuple[float, ...]):
    part, _ = cut(np.zeros((10, 10, 3), np.uint8), box(*sides))
    assert part.shape[0] >= 1 and part.shape[1] >= 1
