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
    """Of one label: how many stories have it, and how well it was told; shares in 0..1."""

    n: int
    precision: float
    recall: float
    f1: float


class ReliabilityBin(BaseModel):
    """Answers of about the same probability: how probable they were, and how often right."""

    confidence: float
    accuracy: float
    n: int


class RiskPoint(BaseModel):
    """Of the surest ``coverage`` of the stories, ``risk`` are wrong; those have at least ``probability``."""

    coverage: float
    risk: float
    probability: float


class Against(BaseModel):
    """Another run on the same stories: who alone was right how often, and the exact two-sided McNemar test."""

    n: int
    gained: int
    lost: int
    p_value: float


class Flips(BaseModel):
    """Stories of other people (``counterfactual``): how many labels change."""

    n: int
    flipped: int
    rate: float
    interval: tuple[float, float]


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
    coarse_accuracy: float | None
    """Right where the answer's coarse class is; None where a label has none."""
    reliability: list[ReliabilityBin]
    risk_coverage: list[RiskPoint]
    aurc: float
    """Mean risk over all coverages: less is better, and only the order of the probabilities counts."""
    right: dict[str, bool]
    """Story's id -> was the answer right?"""
    against: Against | None = None
    flips: dict[str, Flips] = {}
    """What was changed (gender, age) -> how many labels changed with it."""


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
    bins = reliability(probabilities, right)
    return sum(abs(found.confidence - found.accuracy) * found.n for found in bins) / len(right)


def reliability(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> list[ReliabilityBin]:
    """The bins that hold a story; arguments as above."""
    bins = np.minimum((probabilities * _ECE_BINS).astype(int), _ECE_BINS - 1)
    found = []
    for b in range(_ECE_BINS):
        inside = bins == b
        if inside.any():
            confidence, accuracy = float(probabilities[inside].mean()), float(right[inside].mean())
            found.append(ReliabilityBin(confidence=confidence, accuracy=accuracy, n=int(inside.sum())))
    return found


def risk_coverage(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> list[RiskPoint]:
    """For each number of stories, surest first; arguments as above."""
    order = np.argsort(-probabilities, kind="stable")
    wrong = np.cumsum(~right[order])
    n = len(right)
    return [
        RiskPoint(coverage=(k + 1) / n, risk=float(wrong[k] / (k + 1)), probability=float(probabilities[order[k]]))
        for k in range(n)
    ]


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
    ids: Sequence[str],
    coarse: Sequence[str | None],
) -> Evaluation:
    """Figures of what the service answers on these stories, beside cross-validated ones.

    On the very file that the calibration was fitted to, all figures are cross-validated and ``method`` says so.
    ``about``: model, prompt, method; ``ids``: of the stories; ``coarse``: class of each label.
    """
    logprobs = judged_logprobs(scores, truth, labels, calibration, stories_sha256)
    if calibration is not None and calibration.stories_sha256 == stories_sha256:
        about = about | {"method": f"{about['method']}; {HELD_OUT}"}
    chosen = logprobs.argmax(axis=1)
    right = chosen == truth
    n = len(truth)
    sure = np.exp(logprobs.max(axis=1))
    risks = risk_coverage(sure, right)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, chosen), 1)
    per_class = {label: _class_figures(confusion, index) for index, label in enumerate(labels)}
    return Evaluation(
        n=n,
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), n),
        macro_f1=float(np.mean([figures.f1 for figures in per_class.values()])),
        nll=float(-logprobs[np.arange(n), truth].mean()),
        ece=expected_calibration_error(sure, right),
        coarse_accuracy=_coarse_accuracy(chosen, truth, coarse),
        reliability=reliability(sure, right),
        risk_coverage=risks,
        aurc=float(np.mean([point.risk for point in risks])),
        right={name: bool(hit) for name, hit in zip(ids, right, strict=True)},
        per_class=per_class,
        confusion={
            label: dict(zip(labels, map(int, row), strict=True)) for label, row in zip(labels, confusion, strict=True)
        },
        cross_validated=cross_validate(scores, truth),
        seconds_per_story=seconds_per_story,
        **about,
    )


def judged_logprobs(
    scores: LogProbs,
    truth: NDArray[np.intp],
    labels: Sequence[str],
    calibration: Calibration | None,
    stories_sha256: str,
) -> LogProbs:
    """Log-probabilities of the labels as the service has them; held out where the calibration saw these stories."""
    if calibration is None:
        return log_softmax(scores)
    if calibration.stories_sha256 == stories_sha256:
        return held_out_logprobs(scores, truth)
    return calibration.apply(scores, labels)


def _coarse_accuracy(chosen: NDArray[np.intp], truth: NDArray[np.intp], coarse: Sequence[str | None]) -> float | None:
    if any(name is None for name in coarse):
        return None
    return float(np.mean([coarse[one] == coarse[other] for one, other in zip(chosen, truth, strict=True)]))


def against(evaluation: Evaluation, other: dict[str, bool]) -> Against:
    """``other``: ``right`` of another run. Raises ``ValueError`` where the runs have no story in common."""
    common = [name for name in evaluation.right if name in other]
    if not common:
        raise ValueError("against: the two runs have no story in common")
    after = np.array([evaluation.right[name] for name in common])
    before = np.array([other[name] for name in common])
    return Against(
        n=len(common),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
        p_value=mcnemar_p_value(before, after),
    )


def flips(before: LogProbs, after: LogProbs) -> Flips:
    """``before``, ``after``: log-probabilities of the stories and of their counterparts, shape (stories, labels)."""
    flipped, n = int((before.argmax(axis=1) != after.argmax(axis=1)).sum()), len(before)
    return Flips(n=n, flipped=flipped, rate=flipped / n, interval=wilson_interval(flipped, n))


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
