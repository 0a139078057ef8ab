"""A vision-language model that says what it was told to say, and remembers what it was asked."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.common.onnx_model import Float
from services.perception.ask.vision_language import Check, Said
from services.perception.segment.masks import Pixels


class FakeVlm:
    """``words``: question -> answer; ``asked``: (picture, question) of every call; ``scores`` of choices."""

    name = "fake"

    def __init__(self, words: Mapping[str, str], score: float = 0.9, scores: Sequence[float] = ()) -> None:
        self._words, self._score, self._scores = words, score, scores
        self.asked: list[tuple[Pixels, str]] = []

    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        check()
        self.asked += [(picture, question) for picture in pictures for question in questions]
        return [[Said(self._words.get(question, ""), self._score) for question in questions] for _ in pictures]

    def choose(self, picture: Pixels, questions: Sequence[str], choices: Sequence[str], check: Check) -> Float:
        check()
        self.asked += [(picture, question) for question in questions]
        scores = np.asarray(self._scores or np.zeros(len(choices)), np.float32)
        return np.tile(scores - np.logaddexp.reduce(scores), (len(questions), 1)).astype(np.float32)
