"""The published way and ours on one photo, with the same random models of the real classes and the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.perception.ask.answering import Answerer
from services.perception.ask.asker import Asked
from services.perception.ask.described import DescribingAsker, alone
from services.perception.ask.families.blip2 import Blip2
from services.perception.ask.questions import OF_FACE, OF_PERSON, OF_PHOTO, OF_THING
from services.perception.ask.vision_language import Check, Said
from services.perception.bench.cost import Cost, counted
from services.perception.bench.published import PublishedPerception
from services.perception.bench.random_models import random_blip2, random_sam
from services.perception.detect.detector import Found
from services.perception.segment.masks import Pixels, Segmented, shrunk
from services.perception.segment.promptable import PromptableNetwork
from services.perception.segment.sam import SamSegmenter

POINTS: Final = 32
_SAM: Final = (256, 64, 4)
_BLIP2: Final = (112, 64, 4)
"""Pixels, width, layers: large enough that the networks' work outweighs Python's."""


@dataclass(frozen=True)
class Comparison:
    """By step, segment and ask: (published, ours). ``same``: share of the people's answers that both gave alike."""

    segment: tuple[Cost, Cost]
    ask: tuple[Cost, Cost]
    same: float

    def whole(self) -> tuple[Cost, Cost]:
        return self.segment[0] + self.ask[0], self.segment[1] + self.ask[1]


class _Nothing:
    """No small models: the published way has none."""

    def __call__(self, pixels: Pixels, segmented: Segmented, omit: Sequence[str], check: Check) -> Asked:
        del pixels, omit, check
        return Asked({}, {symbol: {} for symbol in segmented.found.symbols}, [])


class _Listening(Answerer):
    """Remembers what was said."""

    def __init__(self, family: Blip2) -> None:
        super().__init__(family)
        self.said: list[list[Said]] = []

    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        rows = super().ask(pictures, questions, check)
        self.said += rows
        return rows


def compare(pixels: Pixels, found: Found, points: int = POINTS) -> Comparison:
    """``found``: the people, as in the published way, where their boxes are given."""
    sam, blip2 = random_sam(*_SAM), random_blip2(*_BLIP2)
    people = Found(found.people, [], [])
    questions = OF_PERSON | OF_FACE

    listener = _Listening(Blip2(*blip2, "random"))
    segmenter = SamSegmenter(PromptableNetwork(sam, "random"), points)
    asker = DescribingAsker(listener, _Nothing())
    second = random_sam(*_SAM)
    published = PublishedPerception(sam, second, *blip2)
    encoders = [sam.vision_encoder, second.vision_encoder, blip2[0].vision_model]
    decoders = [sam.mask_decoder, second.mask_decoder, blip2[0].language_model]

    with counted(encoders, decoders) as segment:
        segmented = segmenter(pixels, people, lambda: None)
    with counted(encoders, decoders) as ask:
        asker(pixels, segmented, (), lambda: None)
    with counted(encoders, decoders) as published_segment:
        regions, _ = published.masks(pixels, [person.box for person in people.people], points)
    small, zoom = shrunk(pixels)
    pictures = [
        alone(small, person.box * zoom, mask) for person, mask in zip(people.people, segmented.people, strict=True)
    ]
    with counted(encoders, decoders) as published_ask:
        published.answers(small, OF_PHOTO)
        told = [published.answers(picture, questions) for picture in pictures]
        for _ in regions:
            published.answers(small, OF_THING)
    heard = listener.said[1 : 1 + len(told)]  # the photo comes first
    pairs = [
        (said.text, answers[name])
        for answers, row in zip(told, heard, strict=True)
        for name, said in zip(questions, row, strict=True)
    ]
    same = sum(mine == theirs for mine, theirs in pairs) / len(pairs)
    return Comparison((published_segment, segment), (published_ask, ask), same)
