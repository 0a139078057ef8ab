import cv2
import numpy as np
import pytest

from services.talkinghead.face.square import CANONICAL, FaceSquare


def test_eyes_and_nose_come_to_their_fixed_places(drawn_face):
    placed = FaceSquare.of(drawn_face.landmarks).to_square(drawn_face.landmarks)
    found = np.stack([placed[36:42].mean(0), placed[42:48].mean(0), placed[33]])
    assert np.abs(found - CANONICAL).max() < 1


def test_the_mouth_does_not_move_the_square(drawn_face):
    talking = drawn_face.landmarks.copy()
    talking[48:68] += 7
    assert (FaceSquare.of(talking).matrix == FaceSquare.of(drawn_face.landmarks).matrix).all()


@pytest.mark.parametrize("degrees", [-30, 17])
def test_a_tilted_head_is_brought_upright(drawn_face, degrees):
    turn = cv2.getRotationMatrix2D((130, 150), degrees, 1.0)
    tilted = (drawn_face.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    upright = FaceSquare.of(drawn_face.landmarks).to_square(drawn_face.landmarks)
    assert np.abs(FaceSquare.of(tilted).to_square(tilted) - upright).max() < 1e-3


def test_the_edge_is_told_in_pixels_of_the_portrait(drawn_face):
    assert FaceSquare.of(drawn_face.landmarks).edge_px == pytest.approx(128 * 1.5, rel=0.02)


def test_landmarks_and_pixels_of_the_cut_agree_at_every_size(drawn_face):
    marked = np.zeros_like(drawn_face.pixels)
    x, y = drawn_face.landmarks[30].round().astype(int)
    marked[y - 1 : y + 2, x - 1 : x + 2] = 255
    face = FaceSquare.of(drawn_face.landmarks)
    for size in (128, 256, 384):
        rows, columns = np.nonzero(face.cut(marked, size)[..., 0] > 100)
        expected = face.to_square(np.array([[x, y]], np.float32), size)[0]
        assert np.abs([columns.mean(), rows.mean()] - expected).max() < 0.6
