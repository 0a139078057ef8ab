"""The published way and ours, with few points on a small photo."""

import numpy as np
import torch

from services.perception.bench.compare import compare
from services.perception.bench.cost import counted
from services.perception.bench.pictures import of_people
from services.perception.detect.detector import Found
from tests.perception.figures import subject

PHOTO = np.random.default_rng(0).integers(0, 255, (150, 200, 3), np.uint8)
PEOPLE = Found([subject(5, 0, 0.5), subject(120, 0, 0.5)], [], [])


def test_both_ways_give_the_same_answers_and_ours_encodes_each_picture_once():
    found = compare(PHOTO, PEOPLE, points=4)
    (published, ours), (asked, asks) = found.segment, found.ask
    assert found.same == 1.0
    assert ours.encodings == 1 and published.encodings == 2 and ours.calls < published.calls
    assert asks.encodings == 1 + len(PEOPLE.people) and asked.encodings >= 3 + 5 * len(PEOPLE.people)
    assert asks.calls < asked.calls
    assert found.whole()[1].encodings == 1 + asks.encodings


def test_calls_and_pictures_are_counted_until_the_block_ends():
    encoder, decoder = torch.nn.Conv2d(3, 1, 1), torch.nn.Identity()
    with counted([encoder], [decoder]) as cost:
        encoder(torch.zeros(5, 3, 4, 4))
        decoder(torch.zeros(1))
        decoder(torch.zeros(1))
    encoder(torch.zeros(1, 3, 4, 4))
    assert (cost.encodings, cost.calls) == (5, 3)
    assert cost.seconds > 0


def test_pictures_are_of_as_many_people_as_they_say():
    assert [of_people(count).shape for count in (1, 4, 10)] == [(600, 512, 3), (667, 660, 3), (667, 2000, 3)]
