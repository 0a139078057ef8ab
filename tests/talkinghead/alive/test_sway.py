import numpy as np
import pytest

from services.talkinghead.alive.sway import NOD, YAW, HeadSway, pose
from services.talkinghead.face.square import FaceSquare


def test_the_head_starts_at_rest_and_stays_within_bounds():
    moves = pose(0, 25 * 300, seed=4)
    assert not moves[0].any()
    assert np.abs(moves).max() <= 1
    assert (np.abs(moves).max(0) > 0.6).all()


def test_it_moves_without_a_jerk():
    assert np.abs(np.diff(pose(0, 25 * 60, seed=4), axis=0)).max() < 0.08


def test_a_segment_sways_as_the_whole_does():
    assert np.array_equal(np.concatenate([pose(0, 33, 7), pose(33, 100, 7)]), pose(0, 100, 7))


def test_no_pose_changes_no_bit(drawn_face):
    frame = drawn_face.pixels.copy()
    HeadSway.of(FaceSquare.of(drawn_face.landmarks), frame.shape).move(frame, np.zeros(3, np.float32))
    assert np.array_equal(frame, drawn_face.pixels)


@pytest.mark.parametrize("way", [0, 1])
def test_the_nose_moves_and_the_picture_s_edge_stays(drawn_face, way):
    square = FaceSquare.of(drawn_face.landmarks)
    sway = HeadSway.of(square, drawn_face.pixels.shape)
    frame, turned = drawn_face.pixels.copy(), np.zeros(3, np.float32)
    turned[way] = 1
    sway.move(frame, turned)

    assert np.array_equal(frame[0], drawn_face.pixels[0])
    assert np.array_equal(frame[:, 0], drawn_face.pixels[:, 0])
    assert np.array_equal(frame[:, -1], drawn_face.pixels[:, -1])
    gone = np.hypot(*np.moveaxis(sway.fields[way], -1, 0)).max() * square.matrix[0, 0]
    assert 0.8 * (YAW, NOD)[way] < gone < 1.4 * (YAW, NOD)[way]


def test_a_turned_face_is_moved_more_at_the_nose_than_at_the_ears(drawn_face):
    sway = HeadSway.of(FaceSquare.of(drawn_face.landmarks), drawn_face.pixels.shape)
    shift = sway.fields[0, ..., 0]

    def at(landmark: int) -> float:
        x, y = drawn_face.landmarks[landmark]
        row = (y - sway.rows.start) / (sway.rows.stop - sway.rows.start) * shift.shape[0]
        column = (x - sway.columns.start) / (sway.columns.stop - sway.columns.start) * shift.shape[1]
        return float(shift[int(row), int(column)])

    assert at(30) > 1.5 * at(0)
    assert at(30) > 1.5 * at(16)
