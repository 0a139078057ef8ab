import numpy as np
import pytest

from services.talkinghead.evaluation.take import MOUTH, Take, evenly, with_mouth
from services.talkinghead.face.square import SQUARE_PX


@pytest.fixture(scope="module")
def portrait(talking_head, example_portrait):
    return talking_head.portrait(example_portrait, None)


def test_landmarks_are_found_in_the_square(portrait, judges):
    take = Take.of([portrait.face] * 2, judges.landmarks)
    assert take.squares.shape == (2, SQUARE_PX, SQUARE_PX, 3)
    assert take.mouths.shape == (2, MOUTH.height, MOUTH.width, 3)
    assert np.abs(take.landmarks[0] - portrait.landmarks).mean() < 1.5
    assert take.opening.shape == (2,)


def test_a_wider_mouth_measures_wider(portrait, judges, talking_head):
    jaw = talking_head._models.action_basis[0]
    width = np.linalg.norm(portrait.landmarks[54] - portrait.landmarks[48])
    squares = []
    for jaw_open in (0.0, 0.3, 0.6):
        motion = portrait.warp.motion((portrait.landmarks + jaw_open * width * jaw).astype(np.float32))
        frame = portrait.warp.draw(portrait.pixels, portrait.canvas, motion)
        squares.append(portrait.square.cut(frame))
    opening = Take.of(squares, judges.landmarks).opening
    assert opening[0] + 0.05 < opening[1] < opening[2] - 0.05


def test_a_square_without_a_face_has_no_landmarks(judges):
    assert np.isnan(Take.of([np.full((128, 128, 3), 120, np.uint8)], judges.landmarks).landmarks).all()


def test_another_mouth_is_laid_over_the_truth_and_nothing_else():
    squares = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    mouth = np.full((128, 128, 3), 77.0)
    laid = with_mouth(squares, mouth)
    outside = np.ones((128, 128), bool)
    outside[MOUTH.top : MOUTH.top + MOUTH.height, MOUTH.left : MOUTH.left + MOUTH.width] = False
    assert np.array_equal(laid[:, outside], squares[:, outside])
    assert (laid[:, MOUTH.top + MOUTH.height // 2, MOUTH.left + MOUTH.width // 2] == 77).all()


def test_places_are_spread_from_end_to_end():
    assert evenly(3, 48).tolist() == [0, 1, 2]
    assert evenly(100, 3).tolist() == [0, 49, 99]
