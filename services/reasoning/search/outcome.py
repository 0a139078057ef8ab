"""What a search found and what it is worth: the start and the best prompt, on stories that no step ever saw."""

from typing import Any

import numpy as np
from pydantic import BaseModel

from services.reasoning.calibration import Calibration, fit
from services.reasoning.evaluation import mcnemar_p_value, wilson_interval
from services.reasoning.llm import LogProbs
from services.reasoning.prompt import SEGMENTS
from services.reasoning.schemas import SearchOptions
from services.reasoning.search.acceptance import paired_p_value
from services.reasoning.search.objective import losses
from services.reasoning.search.pools import START, Choice, differing, swap
from services.reasoning.search.run import Search


class Found(BaseModel):
    """A prompt of the search."""

    choice: Choice
    identity: str
    segments: dict[str, str]
    validation_loss: float


class TestFigures(BaseModel):
    """Of the half that was looked at once; each prompt calibrated on the other half."""

    __test__ = False  # pytest takes names in Test for tests

    n: int
    accuracy_before: float
    accuracy_before_interval: tuple[float, float]
    accuracy_after: float
    accuracy_after_interval: tuple[float, float]
    p_value: float
    """Exact McNemar, two-sided."""
    nll_before: float
    nll_after: float
    nll_p_value: float
    """One-sided sign-flip test of "the likelihood of the right labels rose"."""


class Outcome(BaseModel):
    """``attribution``: validation loss that each changed segment saves, taken back alone."""

    taxonomy: str
    model: str
    options: SearchOptions
    stopped: str
    start: Found
    best: Found
    test: TestFigures
    attribution: dict[str, float]
    tokens: int
    search_tokens: int
    """Of ``tokens``, without the judging of start and best at the end."""
    seconds: float
    steps: int
    calibration: Calibration
    """Prior and temperature of the best prompt, fitted on the searched half."""


def outcome(search: Search[Any], model: str) -> Outcome:
    """The outcome of a search that ran to its end."""
    ledger = search.ledger
    assert ledger.stopped is not None  # noqa: S101 - asked for after the end
    best = ledger.best
    before, after, calibration = _judged(search, START)[0], *_judged(search, best)
    truth = search.truth(search.split.test)
    rows, n = np.arange(len(truth)), len(truth)
    right_before, right_after = (found.argmax(axis=1) == truth for found in (before, after))
    nll_before, nll_after = (-found[rows, truth] for found in (before, after))
    return Outcome(
        taxonomy=search.pools.taxonomy,
        model=model,
        options=search.options,
        stopped=ledger.stopped.reason,
        start=_found(search, START),
        best=_found(search, best),
        test=TestFigures(
            n=n,
            accuracy_before=float(right_before.mean()),
            accuracy_before_interval=wilson_interval(int(right_before.sum()), n),
            accuracy_after=float(right_after.mean()),
            accuracy_after_interval=wilson_interval(int(right_after.sum()), n),
            p_value=mcnemar_p_value(right_before, right_after),
            nll_before=float(nll_before.mean()),
            nll_after=float(nll_after.mean()),
            nll_p_value=paired_p_value(nll_after - nll_before),
        ),
        attribution={
            SEGMENTS[segment]: _validation_loss(search, swap(best, segment, START[segment]))
            - _validation_loss(search, best)
            for segment in differing(best, START)
        },
        tokens=ledger.tokens,
        search_tokens=ledger.search_tokens,
        seconds=round(ledger.seconds, 3),
        steps=len(ledger.steps),
        calibration=calibration,
    )


def _judged(search: Search[Any], choice: Choice) -> tuple[LogProbs, Calibration]:
    """Log-probabilities on the test stories (stories, labels), calibrated by the searched half."""
    searched = [*search.split.train, *search.split.validation]
    fitted = fit(
        search.matrix(choice, searched),
        search.truth(searched),
        search.labels,
        source=f"prompt search, {len(searched)} stories",
        stories_sha256="",
    )
    return fitted.apply(search.matrix(choice, search.split.test), search.labels), fitted


def _validation_loss(search: Search[Any], choice: Choice) -> float:
    stories = search.split.validation
    return float(losses(search.matrix(choice, stories), search.truth(stories)).mean())


def _found(search: Search[Any], choice: Choice) -> Found:
    prompt = search.pools.prompt(choice)
    return Found(
        choice=choice,
        identity=prompt.identity,
        segments={segment: getattr(prompt, segment) for segment in SEGMENTS},
        validation_loss=_validation_loss(search, choice),
    )
