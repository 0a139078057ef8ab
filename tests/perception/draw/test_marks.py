"""Marks in a photo, looked at pixel by pixel."""

import io

import numpy as np
from PIL import Image

from services.perception.draw.marks import Mark, as_png, colour, marked
from tests.perception.figures import box

GREY = np.full((200, 300, 3), 128, np.uint8)


def where(pixels: np.ndarray, tone: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((pixels == np.array(tone)).all(-1))


def test_a_box_and_a_label_are_in_the_persons_colour():
    drawn = marked(GREY, [Mark("P1", box(50, 60, 150, 180))])
    rows, columns = where(drawn, colour("P1")).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 180, 50, 150)
    assert (drawn[60:80, 50:90].min(-1) > 200).any()  # the symbol
    assert (drawn[100:170, 60:140] == 128).all() and (GREY == 128).all()


def test_a_mask_tints_what_is_in_it_and_nothing_else():
    mask = np.zeros((100, 150), bool)
    mask[50:80, 40:60] = True  # of half the size
    drawn = marked(GREY, [Mark("P2", box(10, 10, 290, 190), mask=mask)])
    inside, outside = drawn[120:150, 90:110], drawn[120:150, 130:150]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) == 1 and (inside != 128).any()
    assert (outside == 128).all()


def test_every_person_has_a_colour_of_their_own_and_things_are_grey():
    assert len({colour(f"P{number}") for number in range(1, 9)}) == 8
    assert len(set(colour("O3"))) == 1


def test_labels_of_people_in_one_place_stand_below_each_other():
    drawn = marked(GREY, [Mark(f"P{number}", box(50, 60, 150, 180)) for number in (1, 2, 3)])
    tops = []
    for number in (1, 2, 3):
        rows = where(drawn[:, 52:60], colour(f"P{number}"))[:, 0]
        tops.append((rows.min(), len(rows)))
    assert all(count > 20 for _, count in tops) and len({top for top, _ in tops}) == 3


def test_a_box_that_ends_at_the_edge_is_drawn_in_the_photo():
    drawn = marked(GREY, [Mark("P1", box(280, 180, 300, 200), "a long name")])
    assert drawn.shape == GREY.shape
    assert len(where(drawn[199], colour("P1"))) and len(where(drawn[:, 299], colour("P1")))


def test_a_png_holds_the_pixels_and_nothing_else():
    picture = Image.open(io.BytesIO(as_png(GREY)))
    assert picture.format == "PNG" and not picture.info and (np.array(picture) == GREY).all()
