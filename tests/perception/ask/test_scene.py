import numpy as np
import pytest

from services.perception.ask.scene import (
    _INDOOR_THINGS,
    _INDOORS,
    _OUTDOOR_THINGS,
    _OUTDOORS,
    PLACES,
    painted_over,
    scene_answers,
)
from services.perception.detect.objects import COCO
from services.perception.schemas import Thing
from tests.perception.figures import thing

NOTHING = np.zeros(1000, np.float32)


def classes(**scores: float) -> np.ndarray:
    """``c978=0.5``: half for ImageNet class 978."""
    found = NOTHING.copy()
    for name, score in scores.items():
        found[int(name[1:])] = score
    return found


def values(whole: np.ndarray, background: np.ndarray = NOTHING, things: list[Thing] | None = None) -> dict[str, str]:
    return {name: answer.value for name, answer in scene_answers(whole, background, things or [], "net").items()}


def test_names_in_the_lists_exist():
    assert set(PLACES) >= _INDOORS | _OUTDOORS
    assert set(COCO) >= _INDOOR_THINGS | _OUTDOOR_THINGS
    assert all(0 <= index < 1000 for indices in PLACES.values() for index in indices)


def test_nothing_is_said_of_a_scene_that_nothing_supports():
    assert values(NOTHING) == {}


def test_classes_of_one_place_add_up():
    assert values(classes(c978=0.2, c977=0.2)) == {"place": "by the water", "setting": "outdoors"}


def test_the_background_may_tell_the_place():
    assert values(NOTHING, classes(c831=0.5)) == {"place": "in a living room", "setting": "indoors"}


def test_a_place_may_be_in_or_out():
    assert values(classes(c819=0.9)) == {"place": "on a stage"}


def test_a_landscape_too_faint_for_a_place_is_outdoors():
    answers = scene_answers(NOTHING, classes(c972=0.1, c978=0.1), [], "net")
    assert {name: answer.value for name, answer in answers.items()} == {"setting": "outdoors"}
    assert answers["setting"].score == pytest.approx(0.6)


@pytest.mark.parametrize(("name", "setting"), [("couch", "indoors"), ("car", "outdoors")])
def test_things_tell_indoors_from_outdoors(name: str, setting: str):
    assert values(NOTHING, things=[thing("O1", name)]) == {"setting": setting}


def test_an_unsure_thing_tells_nothing():
    assert values(NOTHING, things=[thing("O1", "couch", score=0.44)]) == {}


def test_things_that_contradict_each_other_tell_nothing():
    assert values(NOTHING, things=[thing("O1", "couch"), thing("O2", "car")]) == {}


class TestPaintedOver:
    def test_masked_pixels_take_the_mean_colour_of_the_rest(self):
        pixels = np.full((4, 4, 3), 10, np.uint8)
        pixels[:2] = 200
        mask = np.zeros((4, 4), bool)
        mask[:2] = True
        assert (painted_over(pixels, [mask]) == 10).all()
        assert (pixels[:2] == 200).all()  # the photo itself is left alone

    def test_a_photo_full_of_people_stays(self):
        pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
        assert painted_over(pixels, [np.ones((4, 4), bool)]) is pixels
        assert painted_over(pixels, []) is pixels
