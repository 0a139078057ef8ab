"""What a language model prefers whatever the story says, and how sure it sounds: measured once, then taken out.

A small model's raw answers hide behind one favourite label. Its mean log-probability of each label over development
stories (no labels needed) is that preference; a temperature fitted on labelled ones makes probabilities honest
(Guo et al., ICML 2017).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.reasoning.llm import LogProbs

_TEMPERATURES: Final = np.geomspace(0.2, 10.0, 80)


@dataclass(frozen=True)
class Calibration:
    """For one model, prompt and taxonomy."""

    log_prior: dict[str, float]
    temperature: float
    n_stories: int
    source: str
    stories_sha256: str
    """Of the file of labelled stories: an evaluation on the same file must not use this calibration as it is."""

    def apply(self, scores: LogProbs, labels: Sequence[str]) -> LogProbs:
        """Log-probabilities of the labels, shape (..., labels): prior removed, divided by the temperature."""
        prior = np.array([self.log_prior[label] for label in labels])
        return log_softmax((scores - prior) / self.temperature)


def fit(
    scores: LogProbs, truth: NDArray[np.intp], labels: Sequence[str], source: str, stories_sha256: str
) -> Calibration:
    """``scores``: (stories, labels) log-probabilities of the model; ``truth``: (stories,) index of the right label."""
    prior = scores.mean(axis=0)
    rows = np.arange(len(truth))
    losses = [-log_softmax((scores - prior) / t)[rows, truth].mean() for t in _TEMPERATURES]
    return Calibration(
        log_prior={label: round(float(value), 4) for label, value in zip(labels, prior, strict=True)},
        temperature=round(float(_TEMPERATURES[int(np.argmin(losses))]), 4),
        n_stories=len(truth),
        source=source,
        stories_sha256=stories_sha256,
    )


def log_softmax(values: LogProbs) -> LogProbs:
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def calibration_key(model: str, prompt: str) -> str:
    return f"{model} {prompt}"


def load_calibrations(path: Path) -> dict[str, Calibration]:
    """``calibration_key`` -> calibration, from ``weights/reasoning/calibration.json``."""
    return {key: Calibration(**entry) for key, entry in json.loads(path.read_text(encoding="utf-8")).items()}


def save_calibration(path: Path, key: str, calibration: Calibration) -> None:
    """Add one entry to the file, or replace it."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entries[key] = asdict(calibration)
    path.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
