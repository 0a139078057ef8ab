from collections.abc import Callable

import numpy as np
import pytest

from services.perception.detect.detector import Found
from services.perception.detect.people import Subject
from services.perception.schemas import Mask, Story
from services.perception.segment.selfie import SelfieSegmenter
from tests.perception.conftest import Pixels, model
from tests.perception.figures import subject

Decoder = Callable[[Mask], np.ndarray]


@pytest.fixture(scope="module")
def segmenter() -> SelfieSegmenter:
    return SelfieSegmenter(model("segmentation"))


def masks(segmenter: SelfieSegmenter, pixels: Pixels, people: list[Subject]) -> list[np.ndarray]:
    return segmenter(pixels, Found(people, [], []), lambda: None).people


def test_nobody_has_no_mask(segmenter: SelfieSegmenter):
    assert masks(segmenter, np.zeros((50, 50, 3), np.uint8), []) == []


def test_no_pixel_belongs_to_two_people(segmenter: SelfieSegmenter, officer: Pixels):
    left, right = masks(segmenter, officer, [subject(100, 0, 2), subject(200, 0, 2)])
    assert not (left & right).any()
    assert left.any() and right.any()


class TestOfTheFriends:
    def test_every_mask_lies_in_its_persons_box_and_covers_their_face(self, friends_story: Story, decoded: Decoder):
        for person in friends_story.people:
            assert person.mask is not None and person.face_box is not None
            mask = decoded(person.mask)
            rows, columns = np.nonzero(mask)
            x0, y0, x1, y1 = person.box
            assert columns.min() >= x0 - 2 and columns.max() <= x1 + 2
            assert rows.min() >= y0 - 2 and rows.max() <= y1 + 2
            a0, b0, a1, b1 = (round(value) for value in person.face_box)
            assert mask[b0:b1, a0:a1].mean() > 0.9

    def test_masks_are_apart(self, friends_story: Story, decoded: Decoder):
        masks = [decoded(person.mask) for person in friends_story.people if person.mask]
        assert np.sum(masks, axis=0).max() == 1
