import cv2
import numpy as np
import pytest

from services.talkinghead.evaluation.sharpness import _edge_widths, cpbd


def stripes(blur_px: float) -> np.ndarray:
    picture = np.full((128, 128, 3), 60, np.uint8)
    picture[:, 20:40] = picture[:, 70:100] = 200
    return cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px else picture


def test_the_width_of_a_ramp_is_its_length():
    row = np.concatenate([np.full(30, 50.0), 50 + 20.0 * np.arange(1, 7), np.full(30, 170.0)])
    widths = _edge_widths(np.tile(row, (40, 1)))
    assert set(np.unique(widths[5:-5])) == {0.0, 6.0}


def test_the_more_blur_the_less_sharp():
    found = [cpbd(stripes(blur)) for blur in (0.5, 1.0, 2.0, 4.0)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert found[-1] == 0


def test_a_picture_without_edges_has_no_sharpness():
    assert cpbd(np.full((128, 128, 3), 90, np.uint8)) is None


def test_colour_pictures_are_judged_by_their_grey():
    grey = stripes(1.0)
    tinted = grey.copy()
    tinted[..., 2] = tinted[..., 2] // 2
    assert cpbd(tinted) == pytest.approx(cpbd(grey), abs=0.1)
