import numpy as np
import pytest

from services.perception.ask.colours import MIN_PIXELS, main_colour


def cloth(*colours: tuple[int, int, int], each: int = 100) -> np.ndarray:
    return np.repeat(np.array(colours, np.uint8), each, axis=0)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((15, 15, 18), "black"), ((128, 128, 128), "grey"), ((245, 245, 240), "white"), ((200, 20, 25), "red"),
        ((240, 130, 20), "orange"), ((100, 60, 30), "brown"), ((215, 190, 160), "beige"), ((240, 220, 40), "yellow"),
        ((40, 140, 50), "green"), ((150, 190, 230), "light blue"), ((30, 80, 200), "blue"), ((20, 30, 80), "dark blue"),
        ((130, 40, 180), "purple"), ((250, 150, 180), "pink"),
    ],
)  # fmt: skip
def test_cloth_is_named_as_a_person_would(rgb: tuple[int, int, int], name: str):
    found = main_colour(cloth(rgb))
    assert found is not None and (found.name, found.share) == (name, 1.0)


def test_the_share_tells_how_much_of_the_cloth_has_the_colour():
    found = main_colour(np.concatenate([cloth((200, 20, 25), each=150), cloth((245, 245, 240), each=50)]))
    assert found is not None and (found.name, found.share) == ("red", 0.75)


def test_a_pattern_gets_no_name():
    assert main_colour(cloth((200, 20, 25), (245, 245, 240), (30, 80, 200))) is None


def test_too_few_pixels_get_no_name():
    assert main_colour(cloth((200, 20, 25), each=MIN_PIXELS - 1)) is None
    assert main_colour(np.empty((0, 3), np.uint8)) is None
