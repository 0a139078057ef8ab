"""How good relations are on labelled stories: accuracy, calibration, per class."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from services.reasoning.calibration import Calibration, held_out_logprobs, log_softmax
from services.reasoning.llm import LogProbs

_ECE_BINS: Final = 10
_Z_95: Final = 1.959964
HELD_OUT: Final = "fitted to these stories, so each fifth is judged with a prior and temperature of the others"


class ClassFigures(BaseModel):
    n: int
    precision: float
    recall: float
    f1: float


class Evaluation(BaseModel):
    """Figures on labelled stories; ``confusion[true][predicted]`` counts."""

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    nll: float
    ece: float
    per_class: dict[str, ClassFigures]
    confusion: dict[str, dict[str, int]]
    model: str
    prompt: str
    method: str
    cross_validated: "CrossValidated"
    seconds_per_story: float


class CrossValidated(BaseModel):
    """Each fifth of the stories judged with prior and temperature of the others."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    nll: float
    accuracy_uncalibrated: float


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95% interval of a proportion (Wilson 1927)."""
    p, z2 = right / n, _Z_95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def expected_calibration_error(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean gap between confidence and accuracy over ten bins; ``probabilities``: (n,) of the chosen labels."""
    bins = np.minimum((probabilities * _ECE_BINS).astype(int), _ECE_BINS - 1)
    gaps = [
        abs(probabilities[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(_ECE_BINS)
        if (bins == b).any()
    ]
    return float(sum(gaps))


def cross_validate(scores: LogProbs, truth: NDArray[np.intp]) -> CrossValidated:
    """``scores``: (stories, labels), the model's own."""
    n = len(truth)
    logprobs = held_out_logprobs(scores, truth)
    right = int((logprobs.argmax(axis=1) == truth).sum())
    return CrossValidated(
        accuracy=right / n,
        accuracy_interval=wilson_interval(right, n),
        nll=float(-logprobs[np.arange(n), truth].mean()),
        accuracy_uncalibrated=float((scores.argmax(axis=1) == truth).mean()),
    )


def evaluate(
    scores: LogProbs,
    truth: NDArray[np.intp],
    labels: Sequence[str],
    *,
    calibration: Calibration | None,
    stories_sha256: str,
    about: dict[str, str],
    seconds_per_story: float,
) -> Evaluation:
    """Figures of what the service answers on these stories, beside cross-validated ones.

    On the very file that the calibration was fitted to, all figures are cross-validated and ``method`` says so.
    ``about``: model, prompt, method.
    """
    if calibration is None:
        logprobs = log_softmax(scores)
    elif calibration.stories_sha256 == stories_sha256:
        logprobs = held_out_logprobs(scores, truth)
        about = about | {"method": f"{about['method']}; {HELD_OUT}"}
    else:
        logprobs = calibration.apply(scores, labels)
    chosen = logprobs.argmax(axis=1)
    right = chosen == truth
    n = len(truth)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, chosen), 1)
    per_class = {label: _class_figures(confusion, index) for index, label in enumerate(labels)}
    return Evaluation(
        n=n,
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), n),
        macro_f1=float(np.mean([figures.f1 for figures in per_class.values()])),
        nll=float(-logprobs[np.arange(n), truth].mean()),
        ece=expected_calibration_error(np.exp(logprobs.max(axis=1)), right),
        per_class=per_class,
        confusion={
            label: dict(zip(labels, map(int, row), strict=True)) for label, row in zip(labels, confusion, strict=True)
        },
        cross_validated=cross_validate(scores, truth),
        seconds_per_story=seconds_per_story,
        **about,
    )


def _class_figures(confusion: NDArray[np.int_], index: int) -> ClassFigures:
    hits = int(confusion[index, index])
    n, chosen = int(confusion[index].sum()), int(confusion[:, index].sum())
    precision = hits / chosen if chosen else 0.0
    recall = hits / n if n else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return ClassFigures(n=n, precision=precision, recall=recall, f1=f1)


def mcnemar_p_value(right_before: NDArray[np.bool_], right_after: NDArray[np.bool_]) -> float:
    """Exact two-sided McNemar test (1947) that two ways are right equally often on the same stories."""
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    n = gained + lost
    tail: float = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)
