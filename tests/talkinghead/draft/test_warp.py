import numpy as np
import pytest

from services.talkinghead.draft.warp import Canvas, PortraitWarp, warp_square
from services.talkinghead.face.square import FaceSquare

JAW_DROP = {55: 0.6, 56: 0.9, 57: 1, 58: 0.9, 59: 0.6, 65: 0.9, 66: 1, 67: 0.9, 7: 0.9, 8: 1, 9: 0.9, 6: 0.7, 10: 0.7}


def opened(landmarks, by):
    target = landmarks.copy()
    for point, share in JAW_DROP.items():
        target[point, 1] += share * by
    return target


@pytest.fixture
def square(drawn_face):
    """(128, 128, 3) and its landmarks."""
    face = FaceSquare.of(drawn_face.landmarks)
    return face.cut(drawn_face.pixels), face.to_square(drawn_face.landmarks)


def test_equal_landmarks_leave_every_pixel(square):
    pixels, landmarks = square
    assert (warp_square(pixels, landmarks, landmarks) == pixels).all()


def test_nothing_above_the_nose_base_moves_and_the_border_stays(square):
    pixels, landmarks = square
    frame = warp_square(pixels, landmarks, opened(landmarks, 9))
    assert (frame[:68] == pixels[:68]).all()
    nose = landmarks[27:36].round().astype(int)
    assert np.abs(frame[nose[:, 1], nose[:, 0]].astype(int) - pixels[nose[:, 1], nose[:, 0]]).max() <= 8
    assert all((frame[edge] == pixels[edge]).all() for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[-1]))


def test_an_opened_mouth_is_dark_inside_and_its_lower_lip_comes_down_whole(square):
    pixels, landmarks = square
    frame = warp_square(pixels, landmarks, opened(landmarks, 9)).astype(int)
    x, seam, lip = landmarks[66, 0].round().astype(int), landmarks[66, 1], landmarks[57, 1]
    assert frame[int(seam + 4), x].sum() < 0.5 * pixels[int(seam + 2), x].sum()
    before = pixels[int(seam) : int(lip) + 6, x].astype(int)
    after = frame[int(seam) + 9 : int(lip) + 6 + 9, x]

    def thickness(column):
        return (column[:, 0] - column[:, 1] > 90).sum()  # red pixels

    assert abs(thickness(before[1:]) - thickness(after)) <= 1


def test_teeth_stay_where_the_skull_holds_them(smiling_face):
    face = FaceSquare.of(smiling_face.landmarks)
    pixels, landmarks = face.cut(smiling_face.pixels), face.to_square(smiling_face.landmarks)
    frame = warp_square(pixels, landmarks, opened(landmarks, 8))
    x, top, bottom = landmarks[62, 0].astype(int), int(landmarks[62, 1]) + 2, int(landmarks[66, 1]) - 1
    assert frame[top:bottom, x].min() > 200
    assert frame[bottom + 5, x].max() < 80


def test_a_closing_mouth_hides_the_teeth(smiling_face):
    face = FaceSquare.of(smiling_face.landmarks)
    pixels, landmarks = face.cut(smiling_face.pixels), face.to_square(smiling_face.landmarks)
    frame = warp_square(pixels, landmarks, opened(landmarks, -7))
    teeth = (frame[75:110, 55:73].min(-1) > 200).sum()
    assert teeth < 0.25 * (pixels[75:110, 55:73].min(-1) > 200).sum()


def test_motion_serves_any_size_alike(drawn_face):
    face = FaceSquare.of(drawn_face.landmarks)
    small, large = face.cut(drawn_face.pixels, 128), face.cut(drawn_face.pixels, 256)
    landmarks = face.to_square(drawn_face.landmarks)
    warp = PortraitWarp(small, landmarks)
    motion = warp.motion(opened(landmarks, 8))
    fine = warp.draw(large, Canvas.of_square(256), motion).reshape(128, 2, 128, 2, 3).mean((1, 3))
    coarse = warp.draw(small, Canvas.of_square(128), motion)
    assert np.abs(fine - coarse)[70:].mean() < 4


def test_a_portrait_changes_only_within_the_lower_half_of_its_face_square(drawn_face):
    face = FaceSquare.of(drawn_face.landmarks)
    landmarks = face.to_square(drawn_face.landmarks)
    warp = PortraitWarp(face.cut(drawn_face.pixels), landmarks)
    frame = warp.draw(
        drawn_face.pixels,
        Canvas.of_picture(drawn_face.pixels.shape, face.matrix),
        warp.motion(opened(landmarks, 8)),
    )
    rows, columns = np.nonzero((frame != drawn_face.pixels).any(-1))
    places = face.to_square(np.stack([columns, rows], 1).astype(np.float32))
    assert len(places) > 500
    assert places[:, 1].min() > 56
    assert places.min() > -1
    assert places.max() < 129


def test_frames_are_the_same_every_time(square):
    pixels, landmarks = square
    target = opened(landmarks, 6)
    assert (warp_square(pixels, landmarks, target) == warp_square(pixels, landmarks, target)).all()
