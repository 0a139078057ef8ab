"""Probabilities for every label of a taxonomy, for pairs of people of one story.

Each label's words are scored as the answer, token by token among the labels alone. The pair is asked in both orders,
<P1> and <P2> as well as <P2> and <P1>, and the log-probabilities are averaged: it must not matter who is named first.
Then the model's own preference is taken out and the temperature applied (``calibration``).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.reasoning.calibration import Calibration, log_softmax
from services.reasoning.llm import LanguageModel, LogProbs, PrefixT
from services.reasoning.prompt import question

Pair = tuple[str, str]

METHOD: Final = "label words, mean over both orders of the pair"
CALIBRATED: Final = "mean log-prior over {n} stories removed, temperature {temperature:g}"
UNCALIBRATED: Final = "no prior removed: none was fitted for this prompt and model"


def pair_scores(
    model: LanguageModel[PrefixT], story: PrefixT, pairs: Sequence[Pair], labels: Sequence[str]
) -> LogProbs:
    """The model's own log-probabilities, mean over the two orders, shape (pairs, labels); not normalised."""
    questions = [question(*order) for first, second in pairs for order in ((first, second), (second, first))]
    rows = model.label_logprobs(story, questions, labels)  # (2 pairs, labels)
    return np.asarray(rows.reshape(len(pairs), 2, len(labels)).mean(axis=1))


def label_logprobs(scores: LogProbs, labels: Sequence[str], calibration: Calibration | None) -> LogProbs:
    """Proper log-distributions over the labels, shape as ``scores``."""
    return calibration.apply(scores, labels) if calibration else log_softmax(scores)


def method_name(calibration: Calibration | None) -> str:
    """How the probabilities were found, for the answer."""
    if calibration is None:
        return f"{METHOD}; {UNCALIBRATED}"
    return f"{METHOD}; {CALIBRATED.format(n=calibration.n_stories, temperature=calibration.temperature)}"
