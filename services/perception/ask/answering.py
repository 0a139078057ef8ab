"""Greedy answers and the probability of given ones, for every family of networks alike."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor

from services.common.onnx_model import Float
from services.perception.ask.vision_language import Check, Said
from services.perception.segment.masks import Pixels

BATCH: Final = 16
"""Pictures of one call; a person or thing of a photo is one."""

MAX_TOKENS: Final = 24
"""An answer is a phrase."""


class Answer(Protocol):
    """An answer being given, one row per picture (or per copy of the one picture)."""

    first: Tensor
    """(N, vocabulary): logits of the first token."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """Goes on with ``tokens`` (N, T) -> logits of the token behind each, (N, T, vocabulary)."""
        ...


class Family(Protocol):
    """Networks of one kind, with their tokenizer. ``encodings`` counts pictures that were encoded."""

    name: str
    encodings: int
    ends: frozenset[int]

    def look(self, pictures: Sequence[Pixels]) -> Any:
        """Encode N pictures of one shape, in one batch."""
        ...

    def answer(self, looked: Any, question: str, copies: int = 1) -> Answer:
        """Begin to answer for each picture; ``copies`` of the row where there is one picture."""
        ...

    def tokens(self, text: str) -> list[int]:
        """Of an answer, without marks of its beginning and end."""
        ...

    def text(self, tokens: Sequence[int]) -> str: ...


class Answerer:
    """See ``VisionLanguageModel``."""

    def __init__(self, family: Family) -> None:
        self.family = family

    @property
    def name(self) -> str:
        return self.family.name

    @torch.no_grad()
    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        rows: list[list[Said]] = []
        for batch in _batches(pictures):
            check()
            looked = self.family.look(batch)
            columns = [self._greedy(self.family.answer(looked, question), check) for question in questions]
            rows += [list(row) for row in zip(*columns, strict=True)]
        return rows

    @torch.no_grad()
    def choose(self, picture: Pixels, questions: Sequence[str], choices: Sequence[str], check: Check) -> Float:
        check()
        looked = self.family.look([picture])
        end = min(self.family.ends)
        written = [[*self.family.tokens(choice), end] for choice in choices]
        longest = max(map(len, written))
        filled = torch.tensor([one + [end] * (longest - len(one)) for one in written])
        lengths = torch.tensor([len(one) for one in written])
        rows = []
        for question in questions:
            check()
            answer = self.family.answer(looked, question, len(choices))
            tokens = filled.to(answer.first.device)
            logits = torch.cat([answer.first[:, None], answer(tokens)[:, :-1]], dim=1)
            scores = logits.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0].cpu()
            counted = torch.arange(longest) < lengths[:, None]  # what only fills up counts for nothing
            rows.append(torch.where(counted, scores, 0.0).sum(1).log_softmax(0))
        return np.asarray(torch.stack(rows).numpy(), np.float32)

    def _greedy(self, answer: Answer, check: Check) -> list[Said]:
        logits = answer.first
        count = len(logits)
        tokens: list[list[int]] = [[] for _ in range(count)]
        scores: list[list[float]] = [[] for _ in range(count)]
        going = [True] * count
        for _ in range(MAX_TOKENS):
            check()
            probabilities, best = logits.float().softmax(-1).max(-1)
            for row, (probability, token) in enumerate(zip(probabilities.tolist(), best.tolist(), strict=True)):
                if going[row]:
                    scores[row].append(probability)
                    going[row] = token not in self.family.ends
                    if going[row]:
                        tokens[row].append(token)
            if not any(going):
                break
            logits = answer(best[:, None])[:, -1]
        return [
            Said(self.family.text(mine).strip(), float(np.exp(np.mean(np.log(np.maximum(chances, 1e-9))))))
            for mine, chances in zip(tokens, scores, strict=True)
        ]


def _batches(pictures: Sequence[Pixels]) -> Iterator[list[Pixels]]:
    """In order, each of pictures of one shape and no more than ``BATCH``."""
    for _, alike in groupby(pictures, key=lambda picture: picture.shape):
        group = list(alike)
        for first in range(0, len(group), BATCH):
            yield group[first : first + BATCH]
