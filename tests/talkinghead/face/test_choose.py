import numpy as np
import pytest

from services.common.errors import ProblemError
from services.common.faces.finder import Face
from services.talkinghead.face.choose import check_size, choose_face, face_warnings, turn
from services.talkinghead.face.square import FaceSquare


def face(left=0.0):
    return Face(np.array([left, 0, left + 10, 10], np.float32), 0.9, np.zeros((68, 2), np.float32))


def test_one_face_is_taken():
    only = face()
    assert choose_face([only], None) is only


def test_several_faces_ask_for_an_index_and_list_their_boxes():
    with pytest.raises(ProblemError) as caught:
        choose_face([face(0), face(20)], None)
    assert caught.value.code == "several_faces"
    assert caught.value.extra["faces"] == [[0, 0, 10, 10], [20, 0, 30, 10]]


def test_the_index_counts_from_the_left():
    faces = [face(0), face(20)]
    assert choose_face(faces, 1) is faces[1]


def test_an_index_beyond_the_faces_is_refused():
    with pytest.raises(ProblemError) as caught:
        choose_face([face()], 1)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "face")


def test_no_face_is_refused():
    with pytest.raises(ProblemError) as caught:
        choose_face([], None)
    assert caught.value.code == "no_face"


def test_a_face_of_few_pixels_is_refused(drawn_face):
    with pytest.raises(ProblemError) as caught:
        check_size(FaceSquare.of(drawn_face.landmarks / 4))
    assert caught.value.code == "face_too_small"


def test_a_face_turned_away_is_warned_of(drawn_face):
    turned = drawn_face.landmarks.copy()
    turned[30, 0] += 0.35 * (turned[16, 0] - turned[0, 0])
    assert abs(turn(drawn_face.landmarks)) < 0.02
    assert turn(turned) == pytest.approx(0.35, abs=0.02)
    assert any("turned" in warning for warning in face_warnings(turned, FaceSquare.of(turned)))
    assert face_warnings(drawn_face.landmarks, FaceSquare.of(drawn_face.landmarks)) == []
