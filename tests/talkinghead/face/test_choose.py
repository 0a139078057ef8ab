import numpy as np
import pytest

from services.common.errors import ProblemError
from services.common.faces.finder import Face
from services.talkinghead.face.choose import check_size, choose_face, face_warnings, turn
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.schemas import read_face


def face(left=0.0, edge=10.0):
    return Face(np.array([left, 0, left + edge, edge], np.float32), 0.9, np.zeros((68, 2), np.float32))


def test_one_face_is_taken():
    only = face()
    assert choose_face([only], None) is only


def test_several_faces_ask_for_a_choice_and_list_their_boxes():
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


def test_the_largest_is_taken_when_asked_for():
    faces = [face(0), face(20, edge=12), face(40)]
    assert choose_face(faces, "largest") is faces[1]


@pytest.mark.parametrize("box", [(20, 0, 30, 10), (16, -6, 36, 16), (23, 4, 28, 9)])
def test_a_box_may_be_the_faces_own_or_lie_about_the_head_or_on_the_mouth(box):
    faces = [face(0), face(20), face(40)]
    assert choose_face(faces, box) is faces[1]


def test_of_two_faces_in_a_box_the_one_that_fills_it_is_taken():
    faces = [face(0, edge=4), face(5, edge=12)]
    assert choose_face(faces, (0, 0, 17, 12)) is faces[1]


def test_a_box_without_a_face_is_refused_and_the_faces_are_listed():
    with pytest.raises(ProblemError) as caught:
        choose_face([face(0), face(20)], (100, 100, 120, 120))
    assert (caught.value.code, caught.value.param) == ("invalid_request", "face")
    assert caught.value.extra["faces"] == [[0, 0, 10, 10], [20, 0, 30, 10]]
    assert "[100, 100, 120, 120]" in caught.value.detail


@pytest.mark.parametrize(
    ("text", "choice"),
    [("2", 2), ("largest", "largest"), ("[1, 2, 30.5, 40]", (1, 2, 30.5, 40)), ("1,2,30.5,40", (1, 2, 30.5, 40))],
)
def test_a_choice_is_read_from_text(text, choice):
    assert read_face(text) == choice


@pytest.mark.parametrize("text", ["", "-1", "1.5", "leftmost", "1,2,3", "[5, 0, 4, 9]", "0,0,inf,1", "[a,b,c,d]"])
def test_anything_else_is_refused_with_what_could_be_said(text):
    with pytest.raises(ProblemError, match="largest") as caught:
        read_face(text)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "face")
    assert repr(text) in caught.value.detail


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
    assert any("turned" in warning for warning in face_warnings(turned, FaceSquare.of(turned), 0.4))
    assert face_warnings(drawn_face.landmarks, FaceSquare.of(drawn_face.landmarks), 0.4) == []
