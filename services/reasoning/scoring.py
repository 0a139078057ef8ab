"""Probabilities for every label of a taxonomy, for pairs of people of one story.

Three methods. *Label words*: each label's words are scored as the answer, token by token among the labels alone.
*Letter codes*: the labels are listed as options A, B, ..., and the letters are scored, with the list forwards and
backwards, since a model likes some places of a list better than others. *Both*: the mean of the two.
The pair is asked in both orders, <P1> and <P2> as well as <P2> and <P1>, and the log-probabilities are averaged: it
must not matter who is named first. Then the model's own preference is taken out and the temperature applied
(``calibration``).
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.reasoning.calibration import Calibration, log_softmax
from services.reasoning.llm import LanguageModel, LogProbs, PrefixT
from services.reasoning.prompt import question
from services.reasoning.schemas import Method

Pair = tuple[str, str]

PAIR_ORDERS: Final = "mean over both orders of the pair"
METHODS: Final[dict[Method, str]] = {
    "label words": f"label words, {PAIR_ORDERS}",
    "letter codes": f"letter codes, mean over two orders of the labels, {PAIR_ORDERS}",
    "both": f"mean of label words and of letter codes over two orders of the labels, {PAIR_ORDERS}",
}
DEFAULT_METHOD: Final[Method] = "label words"
"""The cheapest of the three, and none was measured to be better: docs/decisions/0002-language-model.md."""
CALIBRATED: Final = "mean log-prior over {n} stories removed, temperature {temperature:g}"
UNCALIBRATED: Final = "no prior removed: none was fitted for this prompt and model"


@dataclass(frozen=True)
class Way:
    """One way to ask for a label. ``lead`` is read once for all pairs; ``answers`` stand for the labels, in order."""

    lead: str
    behind: str
    answers: tuple[str, ...]

    def questions(self, pair: Pair) -> list[str]:
        """For both orders of the pair."""
        before = " " if self.lead else ""
        return [f"{before}{question(*order)}{self.behind}" for order in (pair, pair[::-1])]


def ways(labels: Sequence[str], method: Method) -> list[Way]:
    """All ways of a method; their mean counts."""
    words = [Way("", "", tuple(labels))]
    letters = [_letters(labels, order) for order in (range(len(labels)), range(len(labels) - 1, -1, -1))]
    return {"label words": words, "letter codes": letters, "both": [*words, *letters]}[method]


def _letters(labels: Sequence[str], order: Sequence[int]) -> Way:
    """The labels listed in ``order``, indices of ``labels``."""
    letter = {index: string.ascii_uppercase[place] for place, index in enumerate(order)}
    listed = ", ".join(f"{letter[index]} {labels[index]}" for index in order)
    return Way(f"Options: {listed}.", " option", tuple(letter[index] for index in range(len(labels))))


def pair_scores(
    model: LanguageModel[PrefixT], story: PrefixT, pairs: Sequence[Pair], labels: Sequence[str], method: Method
) -> LogProbs:
    """The model's own log-probabilities, mean over methods and orders, shape (pairs, labels); not normalised."""
    by_method: dict[bool, list[LogProbs]] = {}
    for way in ways(labels, method):
        questions = [asked for pair in pairs for asked in way.questions(pair)]
        after = model.read([way.lead], story) if way.lead else story
        try:
            rows = model.label_logprobs(after, questions, way.answers)  # (2 pairs, labels)
        finally:
            if way.lead:
                model.release(after)
        by_method.setdefault(bool(way.lead), []).append(rows.reshape(len(pairs), 2, len(labels)).mean(axis=1))
    return np.asarray(np.mean([np.mean(found, axis=0) for found in by_method.values()], axis=0))


def label_logprobs(scores: LogProbs, labels: Sequence[str], calibration: Calibration | None) -> LogProbs:
    """Proper log-distributions over the labels, shape as ``scores``."""
    return calibration.apply(scores, labels) if calibration else log_softmax(scores)


def method_name(told: str, calibration: Calibration | None) -> str:
    """How the probabilities were found, for the answer. ``told``: how labels were scored."""
    if calibration is None:
        return f"{told}; {UNCALIBRATED}"
    return f"{told}; {CALIBRATED.format(n=calibration.n_stories, temperature=calibration.temperature)}"
