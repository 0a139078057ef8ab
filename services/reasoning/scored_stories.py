"""Scores of labelled stories, written down as they are made: an interrupted run goes on where it stopped."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.reasoning.llm import LogProbs, PrefixT
from services.reasoning.pipeline import Reasoner
from services.reasoning.prompt import prompt_for
from services.reasoning.schemas import LabelledStory, Taxonomy
from services.reasoning.scoring import fitted_method


@dataclass(frozen=True)
class ScoredStory:
    """One line of the file: the story's key, the model's own log-probabilities and the seconds they took."""

    key: str
    scores: list[float]
    seconds: float


def score_stories(
    reasoner: Reasoner[PrefixT], stories: Sequence[LabelledStory], taxonomy: Taxonomy, cache_dir: Path
) -> Iterator[ScoredStory]:
    """The stories' scores in order. The file's name tells model, prompt and method, so it never serves another."""
    method = f"{reasoner.method_told} {fitted_method(taxonomy.labels, reasoner.method)}"
    about = f"{reasoner.model.name} {prompt_for(taxonomy).identity} {method}"
    path = cache_dir / "scores" / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _read(path)
    with path.open("a", encoding="utf-8") as file:
        for story in stories:
            key = hashlib.sha256(f"{story.story}\n{story.pair}".encode()).hexdigest()[:24]
            if key not in done:
                began = time.perf_counter()
                scores = [float(score) for score in reasoner.scores(story.story, story.pair, taxonomy)]
                done[key] = ScoredStory(key, scores, round(time.perf_counter() - began, 3))
                file.write(json.dumps(done[key].__dict__) + "\n")
                file.flush()
            yield done[key]


def _read(path: Path) -> dict[str, ScoredStory]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {scored.key: scored for scored in (ScoredStory(**json.loads(line)) for line in lines)}


def as_matrix(scored: Sequence[ScoredStory]) -> LogProbs:
    """Shape (stories, labels)."""
    return np.array([item.scores for item in scored])
