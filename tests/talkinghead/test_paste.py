import numpy as np
import pytest

from services.talkinghead.draft.warp import Canvas
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.paste import light_of, match_light, paste_change, refinement_gain


def test_the_change_lands_where_the_square_lies_and_nowhere_else(drawn_face):
    square = FaceSquare.of(drawn_face.landmarks)
    change = np.zeros((128, 128, 3), np.float32)
    change[90:100, 56:72] = 30
    frame = drawn_face.pixels.copy()

    paste_change(frame, change, Canvas.of_picture(frame.shape, square.matrix), gain=1.0)

    difference = frame.astype(int) - drawn_face.pixels
    rows, columns = np.nonzero(difference.any(axis=2))
    places = square.to_square(np.stack([columns, rows], 1).astype(np.float32))
    assert (places >= [55, 89]).all()
    assert (places <= [72, 100]).all()
    middle = np.linalg.inv(np.vstack([square.matrix, [0, 0, 1]])) @ [64, 95, 1]
    assert (np.abs(difference[round(middle[1]), round(middle[0])] - 30) <= 1).all()


def test_half_the_gain_is_half_the_change(drawn_face):
    square = FaceSquare.of(drawn_face.landmarks)
    canvas = Canvas.of_picture(drawn_face.pixels.shape, square.matrix)
    change = np.zeros((128, 128, 3), np.float32)
    change[80:110, 40:90] = -40
    whole, half = drawn_face.pixels.copy(), drawn_face.pixels.copy()
    paste_change(whole, change, canvas, 1.0)
    paste_change(half, change, canvas, 0.5)
    difference = (drawn_face.pixels.astype(int) - whole) - 2 * (drawn_face.pixels.astype(int) - half)
    assert np.abs(difference).max() <= 1


def test_colours_stop_at_black_and_white(drawn_face):
    square = FaceSquare.of(drawn_face.landmarks)
    canvas = Canvas.of_picture(drawn_face.pixels.shape, square.matrix)
    frame = drawn_face.pixels.copy()
    paste_change(frame, np.full((128, 128, 3), 400, np.float32), canvas, 1.0)
    assert frame[200, 130].tolist() == [255, 255, 255]


def test_a_resting_face_is_not_refined_and_a_moving_one_is():
    rest = np.zeros((68, 2), np.float32)
    moved, little = rest.copy(), rest.copy()
    moved[57, 1], little[57, 1] = 3.0, 0.375
    assert refinement_gain(rest, rest) == 0
    assert refinement_gain(rest, moved) == 1
    assert refinement_gain(rest, little) == 0.5


def grey_mouth(skin):
    """Drafted face square of ``skin`` with a dark mouth, the change that paints grey teeth there, and where."""
    draft = np.full((128, 128, 3), skin, np.uint8)
    unseen = np.zeros((128, 128), np.float32)
    unseen[88:96, 56:72] = 1
    draft[unseen > 0] = (40, 20, 20)
    change = unseen[..., None] * (np.float32([180, 180, 180]) - draft)
    return draft, change, unseen


def test_teeth_take_the_light_of_the_skin():
    teeth = []
    for skin in ((200, 150, 70), (190, 150, 120), (170, 150, 150)):
        draft, change, unseen = grey_mouth(skin)
        teeth.append((draft + match_light(change, draft, unseen, light_of(draft)))[92, 64])
    red, _, blue = np.stack(teeth).T
    assert red[0] > red[1] > red[2]
    assert blue[0] < blue[1] < blue[2]
    assert np.stack(teeth) @ [0.299, 0.587, 0.114] == pytest.approx(np.full(3, 180), abs=1)


def test_blood_and_make_up_are_no_light():
    pale, flushed = (light_of(np.full((128, 128, 3), skin, np.uint8)) for skin in ((180, 150, 120), (225, 120, 120)))
    assert pale == pytest.approx(flushed, abs=0.01)


def test_only_what_the_portrait_does_not_show_is_tinted():
    draft, change, unseen = grey_mouth((200, 140, 80))
    change[100:104] = 12
    matched = match_light(change, draft, unseen, light_of(draft))
    assert np.array_equal(matched[unseen == 0], change[unseen == 0])
    assert np.array_equal(match_light(change, draft, 0 * unseen, light_of(draft)), change)
