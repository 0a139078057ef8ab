"""What a language model prefers whatever the story says, and how sure it sounds: measured once, then taken out.

A small model's raw answers hide behind one favourite label. Its mean log-probability of each label over development
stories (no labels needed) is that preference; a temperature fitted on labelled ones makes probabilities honest
(Guo et al., ICML 2017).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.reasoning.llm import LogProbs

_TEMPERATURES: Final = np.geomspace(0.2, 10.0, 80)
_FOLDS: Final = 5
NEUTRAL: Final = "neutral stories"
"""Source of a prior that no labelled story was needed for (``neutral``)."""


@dataclass(frozen=True)
class Calibration:
    """For one model, prompt, method of scoring and taxonomy."""

    log_prior: dict[str, float]
    temperature: float
    n_stories: int
    source: str
    stories_sha256: str
    """Of the file of labelled stories: an evaluation on the same file must not use this calibration as it is."""
    held_out: list[float] = field(default_factory=list)
    """Probability of each story's right label, by what was fitted to the others (``conformal``)."""

    def apply(self, scores: LogProbs, labels: Sequence[str]) -> LogProbs:
        """Log-probabilities of the labels, shape (..., labels): prior removed, divided by the temperature."""
        prior = np.array([self.log_prior[label] for label in labels])
        return log_softmax((scores - prior) / self.temperature)


def fit(
    scores: LogProbs, truth: NDArray[np.intp], labels: Sequence[str], source: str, stories_sha256: str
) -> Calibration:
    """``scores``: (stories, labels) log-probabilities of the model; ``truth``: (stories,) index of the right label."""
    prior, temperature = _fit(scores, truth)
    held_out = []
    if np.bincount(truth).max() > 1:
        held_out = np.exp(held_out_logprobs(scores, truth)[np.arange(len(truth)), truth]).tolist()
    return Calibration(
        log_prior={label: round(float(value), 4) for label, value in zip(labels, prior, strict=True)},
        temperature=round(temperature, 4),
        n_stories=len(truth),
        source=source,
        stories_sha256=stories_sha256,
        held_out=[round(value, 4) for value in sorted(held_out)],
    )


def _fit(scores: LogProbs, truth: NDArray[np.intp]) -> tuple[LogProbs, float]:
    """Log-prior (labels,) and temperature."""
    prior = scores.mean(axis=0)
    rows = np.arange(len(truth))
    losses = [-log_softmax((scores - prior) / t)[rows, truth].mean() for t in _TEMPERATURES]
    return np.asarray(prior), float(_TEMPERATURES[int(np.argmin(losses))])


def held_out_logprobs(scores: LogProbs, truth: NDArray[np.intp]) -> LogProbs:
    """Each fifth of the stories calibrated with what was fitted to the others, shape (stories, labels) as ``scores``.

    The stories of each label are dealt to the fifths in turn. Raises ``ValueError`` where no label has two stories.
    """
    turn = np.empty(len(truth), dtype=int)
    for label in np.unique(truth):
        of_label = truth == label
        turn[of_label] = np.arange(of_label.sum()) % _FOLDS
    if turn.max(initial=0) == 0:
        raise ValueError(f"stories: {len(truth)} are too few; give at least two of each label")
    logprobs = np.empty_like(scores)
    for fold in range(turn.max() + 1):
        judged = turn == fold
        prior, temperature = _fit(scores[~judged], truth[~judged])
        logprobs[judged] = log_softmax((scores[judged] - prior) / temperature)
    return logprobs


def log_softmax(values: LogProbs) -> LogProbs:
    """(..., L) scores -> (..., L) logarithms of probabilities."""
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def calibration_key(model: str, prompt: str, method: str) -> str:
    """Under which a calibration is kept: it serves this model, prompt and method (``scoring.fitted_method``) alone."""
    return f"{model} {prompt} {method}"


def load_calibrations(path: Path) -> dict[str, Calibration]:
    """``calibration_key`` -> calibration, from ``weights/reasoning/calibration.json``."""
    return {key: Calibration(**entry) for key, entry in json.loads(path.read_text(encoding="utf-8")).items()}


def save_calibration(path: Path, key: str, calibration: Calibration) -> None:
    """Add one entry to the file, or replace it."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entries[key] = asdict(calibration)
    path.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
