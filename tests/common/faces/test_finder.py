import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.common.errors import ProblemError
from services.common.faces import FaceFinder
from services.common.faces.landmarks import eye_angle_rad, eye_centres
from services.common.pictures import read_picture

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = REPOSITORY / "examples"


def example(name: str):
    return read_picture((EXAMPLES / name).read_bytes(), param="photo").pixels


def turned(pixels, degrees: float):
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 0.8)  # positive: clockwise
    return cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def test_five_friends_are_found_from_left_to_right(finder):
    faces = finder.find(example("photo.jpg"))
    assert len(faces) == 5
    centres = [float(face.box[0] + face.box[2]) / 2 for face in faces]
    assert centres == sorted(centres)
    for face in faces:
        assert face.landmarks.shape == (68, 2)
        assert face.landmarks.dtype == np.float32
        inside = (face.landmarks > face.box[:2] - 30).all(1) & (face.landmarks < face.box[2:] + 30).all(1)
        assert inside.all()


def test_landmarks_have_the_order_of_a_face(finder):
    (face,) = finder.find(example("portrait.jpg"))
    brows, eyes, nose, lips, chin = (
        face.landmarks[part, 1].mean() for part in (slice(17, 27), slice(36, 48), slice(31, 36), slice(48, 68), [8])
    )
    assert brows < eyes < nose < lips < chin
    left, right = eye_centres(face.landmarks)
    assert left[0] < right[0]


@pytest.mark.parametrize("degrees", [-30, 0, 30])
def test_tilted_head_keeps_its_landmarks(finder, degrees):
    portrait = example("portrait.jpg")
    (straight,) = finder.find(portrait)
    (face,) = finder.find(turned(portrait, degrees))
    tilt = np.degrees(eye_angle_rad(*eye_centres(face.landmarks)) - eye_angle_rad(*eye_centres(straight.landmarks)))
    assert tilt == pytest.approx(degrees, abs=4)


def test_small_faces_of_a_large_picture_are_found(finder):
    photo = example("photo.jpg")
    wide = np.full((photo.shape[0] * 3, photo.shape[1] * 3, 3), 128, np.uint8)
    wide[700 : 700 + photo.shape[0], 1200 : 1200 + photo.shape[1]] = photo
    faces = finder.find(wide)
    assert len(faces) == 5
    assert min(face.box[0] for face in faces) > 1200


def test_same_face_lands_on_the_same_points_at_twice_the_size(finder):
    portrait = example("portrait.jpg")
    double = cv2.resize(portrait, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    (small,), (large,) = finder.find(portrait), finder.find(double)
    side = float(small.box[2] - small.box[0])
    assert np.abs(large.landmarks / 2 - small.landmarks).max() < 0.05 * side


@pytest.mark.parametrize("shape", [(64, 64), (300, 900), (7, 2000), (1, 1)])
def test_picture_without_a_face_gives_none(finder, shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert finder.find(noise) == []


def test_altered_model_file_is_named(tmp_path):
    shutil.copytree(REPOSITORY / "weights" / "faces", tmp_path / "faces")
    with (tmp_path / "faces" / "landmarks_68.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ProblemError, match="landmarks_68") as caught:
        FaceFinder.load(tmp_path, threads=1)
    assert caught.value.code == "model_unavailable"
