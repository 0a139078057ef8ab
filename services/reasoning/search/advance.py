"""A search over HTTP: each call goes on for some seconds and gives back what happened, for the caller to keep."""

import time
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from services.common.errors import ProblemError
from services.common.labelled import check_labelled
from services.reasoning.calibration import Calibration
from services.reasoning.llm import Check, LanguageModel
from services.reasoning.schemas import (
    ChosenPrompt,
    FittedCalibration,
    Method,
    SearchEstimate,
    SearchProgress,
    SearchQuestion,
    SearchRequest,
)
from services.reasoning.scoring import fitted_method
from services.reasoning.search.estimate import estimate
from services.reasoning.search.events import EVENT, Event
from services.reasoning.search.outcome import Outcome, outcome
from services.reasoning.search.pools import Pools, check_pools, pools_for
from services.reasoning.search.report import report_html
from services.reasoning.search.run import Search
from services.reasoning.search.split import split_stories
from services.reasoning.taxonomy import find_taxonomy


def prepare(model: LanguageModel[Any], question: SearchQuestion, method: Method) -> SearchEstimate:
    """What the search will cost at most. Raises ``invalid_request``, ``taxonomy_invalid`` where it cannot be run."""
    search = _search(model, question, method, [])
    return estimate(model, search.pools, search.split, question.options, labels=search.taxonomy.labels, method=method)


def advance(model: LanguageModel[Any], request: SearchRequest, method: Method, check: Check) -> SearchProgress:
    """Go on with a search for about ``request.slice_s`` seconds. Raises as ``prepare`` does."""
    model.on_step = check
    past = _events(request.events)
    search = _search(model, request, method, past)
    new, finished = _until(search, time.monotonic() + request.slice_s)
    ledger = search.ledger
    result = outcome(search, model.name) if finished else None
    return SearchProgress(
        events=[event.model_dump(mode="json") for event in new],
        step=len(ledger.steps),
        steps=request.options.steps,
        tokens=ledger.tokens,
        seconds=round(ledger.seconds, 3),
        loss=ledger.steps[-1].loss if ledger.steps else None,
        best_loss=min((event.loss for event in ledger.validated), default=None),
        outcome=result.model_dump(mode="json") if result else None,
        report=report_html(result, [*past, *new]) if result else None,
        prompt=_prompt(result, fitted_method(search.taxonomy.labels, method)) if result else None,
    )


def _search(model: LanguageModel[Any], question: SearchQuestion, method: Method, past: list[Event]) -> Search[Any]:
    taxonomy = find_taxonomy(question.taxonomy)
    check_labelled(question.stories, [label.name for label in taxonomy.labels])
    pools = Pools.model_validate(question.pools.model_dump()) if question.pools else pools_for(taxonomy)
    check_pools(pools, taxonomy, [story.story for story in question.stories])
    split = split_stories(question.stories, question.options.seed)
    return Search(model, taxonomy, pools, split=split, options=question.options, method=method, past=past)


def _until(search: Search[Any], deadline: float, now: Callable[[], float] = time.monotonic) -> tuple[list[Event], bool]:
    """Events up to the first one behind the deadline, and whether the search came to its end."""
    new: list[Event] = []
    run = search.run()
    try:
        for event in run:
            new.append(event)
            if now() >= deadline:
                return new, False
    finally:
        run.close()
    return new, True


def _events(told: list[dict[str, Any]]) -> list[Event]:
    try:
        return [EVENT.validate_python(event) for event in told]
    except ValidationError as error:
        raise ProblemError("invalid_request", f"events: {error.errors()[0]['msg']}", param="events") from None


def _prompt(result: Outcome, method: str) -> ChosenPrompt:
    return ChosenPrompt(
        name=result.taxonomy, calibration=fitted(result.calibration, result.model, method), **result.best.segments
    )


def fitted(calibration: Calibration, model: str, method: str) -> FittedCalibration:
    """As the API shows it."""
    return FittedCalibration(
        model=model,
        log_prior=calibration.log_prior,
        temperature=calibration.temperature,
        n_stories=calibration.n_stories,
        source=calibration.source,
        method=method,
        held_out=calibration.held_out,
    )
