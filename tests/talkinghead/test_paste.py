import numpy as np

from services.talkinghead.draft.warp import Canvas
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.paste import paste_change, refinement_gain


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
