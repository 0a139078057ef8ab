"""Probabilities for every label of a taxonomy, for pairs of people of one story.

Three methods. *Phrases*: the model ends the sentence "they are" by words that people use for a label, several for each,
and their mean counts. *Label words*: the label's name is scored as the answer. Both go token by token among
what may be answered alone. *Letter codes*: the labels are listed as options A, B, ..., and the letters are scored, with
the list forwards and backwards, since a model likes some places of a list better than others.
The pair is asked in both orders, <P1> and <P2> as well as <P2> and <P1>, and the log-probabilities are averaged: it
must not matter who is named first. Then the model's own preference is taken out and the temperature applied
(``calibration``).
"""

import hashlib
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.reasoning.calibration import NEUTRAL, Calibration, log_softmax
from services.reasoning.llm import LanguageModel, LogProbs, PrefixT
from services.reasoning.prompt import claim, question
from services.reasoning.schemas import Label, Method

Pair = tuple[str, str]

PAIR_ORDERS: Final = "mean over both orders of the pair"
METHODS: Final[dict[Method, str]] = {
    "phrases": f"phrases that end 'they are', mean over a label's phrases, {PAIR_ORDERS}",
    "label words": f"label words, {PAIR_ORDERS}",
    "letter codes": f"letter codes, mean over two orders of the labels, {PAIR_ORDERS}",
}
DEFAULT_METHOD: Final[Method] = "phrases"
"""The best of the three: docs/decisions/0002-language-model.md."""
CALIBRATED: Final = "mean log-prior over {n} stories removed, temperature {temperature:g}"
LEANING: Final = "mean log-prior over {n} neutral stories removed, no temperature fitted"
UNCALIBRATED: Final = "no prior removed: none was fitted for this prompt and model"


@dataclass(frozen=True)
class Way:
    """One way to ask for a label. ``lead`` is read once for all pairs; ``said``: per label, the answers for it."""

    lead: str
    ask: Callable[[str, str], str]
    said: tuple[tuple[str, ...], ...]

    def question(self, pair: Pair) -> str:
        """Behind ``lead``, of the pair in this order."""
        before = " " if self.lead else ""
        return before + self.ask(*pair)

    @property
    def answers(self) -> list[str]:
        """Of all labels, in order."""
        return [answer for of_label in self.said for answer in of_label]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Shape (answers, labels): log-probabilities of answers times these are the mean over each label's own."""
        counts = [len(of_label) for of_label in self.said]
        return np.repeat(np.eye(len(counts)) / counts, counts, axis=0)


def ways(labels: Sequence[Label], method: Method) -> list[Way]:
    """All ways of a method; their mean counts."""
    if method == "phrases":
        return [Way("", claim, tuple(tuple(label.phrases) for label in labels))]
    if method == "label words":
        return [Way("", question, tuple((label.name,) for label in labels))]
    names = [label.name for label in labels]
    return [_letters(names, order) for order in (range(len(names)), range(len(names) - 1, -1, -1))]


def _letters(names: Sequence[str], order: Sequence[int]) -> Way:
    """The labels listed in ``order``, indices of ``names``."""
    letter = {index: string.ascii_uppercase[place] for place, index in enumerate(order)}
    listed = ", ".join(f"{letter[index]} {names[index]}" for index in order)
    return Way(
        f"Options: {listed}.",
        lambda first, second: f"{question(first, second)} option",
        tuple((letter[index],) for index in range(len(names))),
    )


def both_orders(pairs: Sequence[Pair]) -> list[Pair]:
    """Each pair as it is and turned round."""
    return [order for pair in pairs for order in (pair, pair[::-1])]


def pair_scores(
    model: LanguageModel[PrefixT], story: PrefixT, pairs: Sequence[Pair], labels: Sequence[Label], method: Method
) -> LogProbs:
    """The model's own log-probabilities, mean over ways and orders, shape (pairs, labels); not normalised."""
    rows = scores_as_named(model, story, both_orders(pairs), labels, method)
    return np.asarray(rows.reshape(len(pairs), 2, len(labels)).mean(axis=1))


def scores_as_named(
    model: LanguageModel[PrefixT], story: PrefixT, pairs: Sequence[Pair], labels: Sequence[Label], method: Method
) -> LogProbs:
    """As ``pair_scores``, each pair asked in its own order alone: half the cost."""
    by_way = []
    for way in ways(labels, method):
        after = model.read([way.lead], story) if way.lead else story
        try:
            rows = model.label_logprobs(after, [way.question(pair) for pair in pairs], way.answers)
        finally:
            if way.lead:
                model.release(after)
        by_way.append(rows @ way.weights)
    return np.asarray(np.mean(by_way, axis=0))


def label_logprobs(scores: LogProbs, labels: Sequence[str], calibration: Calibration | None) -> LogProbs:
    """Proper log-distributions over the labels, shape as ``scores``."""
    return calibration.apply(scores, labels) if calibration else log_softmax(scores)


def fitted_method(labels: Sequence[Label], method: Method) -> str:
    """The method, and for phrases the first digits of their SHA-256: what a calibration was fitted to."""
    if method != "phrases":
        return method
    told = "\n".join("|".join(label.phrases) for label in labels)
    return f"phrases@{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def method_name(told: str, calibration: Calibration | None) -> str:
    """How the probabilities were found, for the answer. ``told``: how labels were scored."""
    if calibration is None:
        return f"{told}; {UNCALIBRATED}"
    if calibration.source == NEUTRAL:
        return f"{told}; {LEANING.format(n=calibration.n_stories)}"
    return f"{told}; {CALIBRATED.format(n=calibration.n_stories, temperature=calibration.temperature)}"
