"""HTTP server of the perception service: ``uvicorn services.perception.app:app``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, File, Form, Request
from pydantic import ValidationError

from services.common.app import create_app, validation_problem
from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.common.runner import ModelRunner, Stop
from services.common.settings import service_settings
from services.perception.pipeline import Perception
from services.perception.schemas import Story, StoryOptions

_OPTIONS_DOC: Final = "JSON of StoryOptions: boxes, omit, masks"

router = APIRouter(tags=["perception"])


@router.post("/v1/stories", summary="Photo to people, objects, records and story")
async def stories(
    request: Request,
    photo: Annotated[bytes, File(description="the encoded picture")],
    options: Annotated[str, Form(description=_OPTIONS_DOC)] = "{}",
) -> Story:
    perception = _loaded(request.app)
    chosen = _parsed(options)

    def work(stop: Stop) -> Story:
        picture = read_picture(photo, param="photo")
        story = perception(picture.pixels, chosen, stop.check)
        return story.model_copy(update={"warnings": [*picture.warnings, *story.warnings]})

    runner: ModelRunner = request.app.state.runner
    return await runner.run(request, work)


def _parsed(options: str) -> StoryOptions:
    try:
        return StoryOptions.model_validate_json(options)
    except ValidationError as error:
        problem = validation_problem(error.errors())
        raise ProblemError(problem.code, problem.detail, param=problem.param or "options") from error


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = service_settings()
    app.state.runner = ModelRunner(settings.queue_length)
    # In a thread: /livez answers while the models load, and /readyz says so.
    app.state.loading = asyncio.get_running_loop().run_in_executor(
        None, Perception.load, settings.weights_dir, settings.threads, settings.profile
    )
    try:
        yield
    finally:
        app.state.runner.close()
        await asyncio.wait([app.state.loading])


async def _ready() -> dict[str, str]:
    loading: asyncio.Future[Perception] = app.state.loading
    if not loading.done():
        return {"models": "loading"}
    error = loading.exception()
    return {"models": "ready" if error is None else str(error)}


def _loaded(app: FastAPI) -> Perception:
    """The pipeline; raises ``service_unavailable`` while it loads and its own error when it could not be loaded."""
    loading: asyncio.Future[Perception] = app.state.loading
    if not loading.done():
        raise ProblemError("service_unavailable", "the perception models are loading; try again in a few seconds")
    return loading.result()


app = create_app(
    title="Raconteur perception",
    version="1",
    routers=[router],
    ready=_ready,
    max_body_bytes=service_settings().max_upload_bytes,
    lifespan=_lifespan,
)
