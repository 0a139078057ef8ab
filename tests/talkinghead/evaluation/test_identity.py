import cv2
import numpy as np
import skimage.data

from services.common.faces.finder import FaceFinder
from services.common.settings import REPOSITORY
from services.talkinghead.evaluation.identity import similarity
from services.talkinghead.face.square import FaceSquare


def square_of(pixels: np.ndarray) -> np.ndarray:
    (face,) = FaceFinder.load(REPOSITORY / "weights", threads=1).find(pixels)
    return FaceSquare.of(face.landmarks).cut(pixels)


def test_the_same_person_is_nearer_than_another(judges, example_portrait):
    painted = cv2.cvtColor(cv2.imdecode(np.frombuffer(example_portrait, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    one, other = square_of(skimage.data.astronaut()), square_of(painted)
    darker = (0.7 * one).astype(np.uint8)
    assert similarity(one[None], one, judges.identity) > 0.9999
    assert similarity(darker[None], one, judges.identity) > 0.97
    assert similarity(other[None], one, judges.identity) < 0.93
    mixed = similarity(np.stack([one, other]), one, judges.identity)
    assert mixed < similarity(np.stack([one, darker]), one, judges.identity)
