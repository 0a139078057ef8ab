import numpy as np
import pytest

from services.perception.detect.pose import VISIBLE, Pose, PoseFinder
from tests.perception.conftest import Pixels, model
from tests.perception.figures import STANDING, box, pose


@pytest.fixture(scope="module")
def poses() -> PoseFinder:
    return PoseFinder(model("poses"))


def test_a_guessed_point_is_not_seen():
    points = np.zeros((17, 3), np.float32)
    points[0] = 5, 6, VISIBLE
    points[1] = 7, 8, VISIBLE - 0.01
    body = Pose(points, box(0, 0, 10, 10), 0.9)
    nose = body.point("nose")
    assert nose is not None and nose.tolist() == [5, 6]
    assert body.point("left_eye") is None


def test_left_and_right_are_the_persons_own():
    left, right = (pose(STANDING).point(f"{side}_shoulder") for side in ("left", "right"))
    assert left is not None and right is not None and left[0] > right[0]


def test_a_closer_look_answers_in_pixels_of_the_whole_photo(poses: PoseFinder, officer: Pixels):
    canvas = np.full((900, 1500, 3), 128, np.uint8)
    canvas[200:800, 900:1412] = officer
    nose = poses.find_in_box(canvas, box(900, 200, 1412, 800))[0].point("nose")
    assert nose is not None
    assert nose.tolist() == pytest.approx([1150, 425], abs=60)


def test_an_empty_wall_has_no_pose(poses: PoseFinder):
    assert poses.find(np.full((300, 400, 3), 128, np.uint8)) == []
