"""HTTP server of the reasoning service: ``uvicorn services.reasoning.app:app``."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from services.common.app import create_app, validation_problem
from services.common.errors import ProblemError
from services.common.readiness import Loading
from services.common.runner import ModelRunner, Stop
from services.reasoning.judging import judge_on
from services.reasoning.loading import load_reasoner
from services.reasoning.pipeline import Reasoner
from services.reasoning.prompt import builtin_prompts
from services.reasoning.schemas import (
    EvaluationProgress,
    EvaluationRequest,
    FusionRequest,
    FusionResponse,
    RelationsRequest,
    RelationsResponse,
    SearchEstimate,
    SearchProgress,
    SearchQuestion,
    SearchRequest,
    ShippedPrompt,
    Taxonomy,
)
from services.reasoning.settings import ReasoningSettings, reasoning_settings
from services.reasoning.taxonomy import builtin_taxonomies

_MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""A search comes with all its stories and events; a story by itself is held to its length in tokens."""


class _TaxonomyRoute(APIRoute):
    """A fault in the taxonomy has its own code, ``taxonomy_invalid``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_taxonomy(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                faults = [fault for fault in error.errors() if fault["loc"][:2] == ("body", "taxonomy")]
                if not faults:
                    raise
                problem = validation_problem([fault | {"loc": _without_kind(fault["loc"])} for fault in faults])
                raise ProblemError("taxonomy_invalid", problem.detail, param=problem.param) from error

        return handle_with_taxonomy


def _without_kind(place: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """(body, taxonomy, own, labels) as the caller knows it: (body, taxonomy, labels)."""
    return (*place[:2], *place[3:])


router = APIRouter(route_class=_TaxonomyRoute, tags=["reasoning"])


@router.post("/v1/relations", summary="Story and pairs to relations")
async def relations(body: RelationsRequest, request: Request) -> RelationsResponse:
    """Raises ``story_empty``, ``story_too_long``, ``no_person``, ``one_person``, ``unknown_person``."""
    runner: ModelRunner = request.app.state.runner
    reasoner = _loaded(request.app)
    return await runner.run(request, lambda stop: reasoner.relate(body, stop.check))


@router.post("/v1/fusions", summary="Rewrite the sentences of a story fluently; what drops or adds a fact stays plain")
async def fusions(body: FusionRequest, request: Request) -> FusionResponse:
    """Raises ``story_too_long``."""
    runner: ModelRunner = request.app.state.runner
    reasoner = _loaded(request.app)
    return await runner.run(request, lambda stop: reasoner.fuse(body.sentences, stop.check))


@router.post("/v1/prompt-searches/estimate", summary="Check a prompt search and tell what it will cost")
async def estimate_search(body: SearchQuestion, request: Request) -> SearchEstimate:
    """Raises ``invalid_request`` with what is wrong about stories, pools or options, ``taxonomy_invalid``."""
    runner: ModelRunner = request.app.state.runner
    reasoner = _loaded(request.app)

    def work(_: Stop) -> SearchEstimate:
        from services.reasoning.search.advance import prepare  # noqa: PLC0415 - Optuna and Matplotlib take seconds

        return prepare(reasoner.model, body, reasoner.method)

    return await runner.run(request, work)


@router.post("/v1/prompt-searches/advance", summary="Go on with a prompt search")
async def advance_search(body: SearchRequest, request: Request) -> SearchProgress:
    """A slice of a search: nothing is kept here, the caller sends all events so far and keeps the new ones."""
    runner: ModelRunner = request.app.state.runner
    reasoner = _loaded(request.app)

    def work(stop: Stop) -> SearchProgress:
        from services.reasoning.search.advance import advance  # noqa: PLC0415 - Optuna and Matplotlib take seconds

        reasoner.forget_prompts()
        return advance(reasoner.model, body, reasoner.method, stop.check)

    return await runner.run(request, work)


@router.post("/v1/evaluations/advance", summary="Go on with an evaluation")
async def advance_evaluation(body: EvaluationRequest, request: Request) -> EvaluationProgress:
    """A slice of an evaluation, as of a search."""
    runner: ModelRunner = request.app.state.runner
    reasoner = _loaded(request.app)
    return await runner.run(request, lambda stop: judge_on(reasoner, body, stop.check))


@router.get("/v1/taxonomies", summary="The built-in taxonomies")
async def taxonomies() -> list[Taxonomy]:
    """With the definition, the coarse class and the roles of each label."""
    return list(builtin_taxonomies().values())


@router.get("/v1/prompts", summary="The prompts that ship")
async def prompts() -> list[ShippedPrompt]:
    """One for each built-in taxonomy, with its four segments and their hash."""
    return [ShippedPrompt(hash=prompt.content_hash, **asdict(prompt)) for prompt in builtin_prompts().values()]


def _prepare(settings: ReasoningSettings) -> Reasoner[Any]:
    """Load the model and read the default prompt, so that the first request need not."""
    reasoner = load_reasoner(settings)
    reasoner.read_prompt(builtin_prompts()["pisc"])
    return reasoner


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = reasoning_settings()
    app.state.runner = ModelRunner(settings.queue_length)
    app.state.loading = Loading("the language model", partial(_prepare, settings))
    try:
        yield
    finally:
        app.state.runner.close()
        await app.state.loading.ended()


async def _ready() -> dict[str, str]:
    return {"language_model": app.state.loading.state}


def _loaded(app: FastAPI) -> Reasoner[Any]:
    loading: Loading[Reasoner[Any]] = app.state.loading
    return loading.result()


app = create_app(
    title="Raconteur reasoning",
    version="1",
    routers=[router],
    ready=_ready,
    max_body_bytes=_MAX_BODY_BYTES,
    lifespan=_lifespan,
)
