import numpy as np
import pytest

from services.perception.detect.objects import COCO, MIN_SCORE, ObjectDetector
from tests.perception.conftest import Pixels, model


@pytest.fixture(scope="module")
def detector() -> ObjectDetector:
    return ObjectDetector(model("objects"))


def test_there_are_eighty_names_and_none_twice():
    assert len(COCO) == len(set(COCO)) == 80


def test_boxes_lie_in_the_photo_surest_first(detector: ObjectDetector, friends: Pixels):
    found = detector.detect(friends)
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True) and min(scores) >= MIN_SCORE
    for detection in found:
        x0, y0, x1, y1 = detection.box
        assert 0 <= x0 < x1 <= 1000 and 0 <= y0 < y1 <= 667


def test_a_wide_photo_is_squeezed_for_the_net_and_its_boxes_are_not(detector: ObjectDetector, officer: Pixels):
    canvas = np.full((600, 1100, 3), 128, np.uint8)
    canvas[:, 560:1072] = officer
    person = next(found for found in detector.detect(canvas) if found.name == "person")
    assert person.box[0] > 540 and person.box[2] < 1090
