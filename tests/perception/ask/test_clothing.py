import numpy as np
import pytest

from services.perception.ask.clothing import GARMENT_MIN_SCORE, clothing_answers, garment_answer
from services.perception.detect.people import Subject
from tests.perception.figures import STANDING, box, face, pose, subject

RED, BLUE, SKIN, WALL = (200, 20, 25), (30, 80, 200), (215, 165, 135), (120, 120, 120)


def dressed(top: tuple[int, int, int] = RED, bottom: tuple[int, int, int] = BLUE) -> np.ndarray:
    """(300, 100, 3): a standing body filling the picture, face in skin colour, top to the hips, trousers below."""
    pixels = np.empty((300, 100, 3), np.uint8)
    pixels[:60], pixels[60:160], pixels[160:] = SKIN, top, bottom
    return pixels


EVERYWHERE = np.ones((300, 100), bool)


def values(pixels: np.ndarray, mask: np.ndarray, person: Subject, zoom: float = 1) -> dict[str, str]:
    return {name: answer.value for name, answer in clothing_answers(pixels, zoom, mask, person).items()}


def test_top_and_bottom_get_their_own_colours():
    assert values(dressed(), EVERYWHERE, subject()) == {"top_colour": "red", "bottom_colour": "blue"}


def test_points_of_the_large_photo_fall_on_the_small_one():
    assert values(dressed(), EVERYWHERE, subject(scale=4), zoom=0.25)["top_colour"] == "red"


def test_pixels_of_another_person_do_not_count():
    pixels = dressed()
    pixels[60:160, 40:] = BLUE  # an arm of the one in front
    mask = EVERYWHERE.copy()
    mask[60:160, 40:] = False
    assert values(pixels, mask, subject())["top_colour"] == "red"


def test_bare_skin_is_no_garment():
    assert values(dressed(bottom=SKIN), EVERYWHERE, subject()) == {"top_colour": "red"}


def test_without_a_pose_the_top_is_looked_for_below_the_face():
    person = Subject(box(0, 0, 100, 300), 0.9, face(50, 30))
    assert values(dressed(), EVERYWHERE, person) == {"top_colour": "red"}


def test_hidden_legs_get_no_colour():
    upper = {name: at for name, at in STANDING.items() if "knee" not in name}
    person = Subject(box(0, 0, 100, 300), 0.9, None, pose(upper))
    assert values(dressed(), EVERYWHERE, person) == {"top_colour": "red"}


def test_a_person_of_whom_nothing_is_known_but_the_box_wears_nothing_that_can_be_told():
    assert values(dressed(), EVERYWHERE, Subject(box(0, 0, 100, 300), 0.9)) == {}


def test_classes_of_one_garment_add_up():
    classes = np.zeros(1000, np.float32)
    classes[[834, 906]] = 0.3, 0.25  # suit, Windsor tie
    found = garment_answer(classes, "net")
    assert found is not None and (found.value, found.model) == ("a suit", "net")
    assert found.score == pytest.approx(0.55)


def test_an_unsure_garment_is_not_named():
    classes = np.zeros(1000, np.float32)
    classes[834] = GARMENT_MIN_SCORE - 0.01
    assert garment_answer(classes, "net") is None
