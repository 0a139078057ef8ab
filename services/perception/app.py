"""HTTP server of the perception service: ``uvicorn services.perception.app:app``.

Each stage has its endpoint; each answers with what the stages before it found, too.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, FastAPI, File, Form, Request, Response
from pydantic import BaseModel, ValidationError

from services.common import limited
from services.common.app import create_app, validation_problem
from services.common.errors import ProblemError
from services.common.readiness import Loading
from services.common.runner import ModelRunner, Stop
from services.common.stopwatch import Stopwatch
from services.perception.loading import load_perception
from services.perception.pipeline import Perception, Photo
from services.perception.schemas import Answers, Judgement, JudgeOptions, PhotoOptions, Sight, Story, StoryOptions
from services.perception.settings import perception_settings
from services.perception.tell.teller import tell_story

PhotoFile = Annotated[bytes, File(description="the encoded picture")]
SeenBy = Annotated[str, Form(description="JSON of PhotoOptions: boxes, blur_faces")]
ToldBy = Annotated[str, Form(description="JSON of StoryOptions: boxes, blur_faces, omit, masks")]
JudgedBy = Annotated[str, Form(description="JSON of JudgeOptions: boxes, blur_faces, pairs, labels")]
NONE: Final = "{}"

Options = TypeVar("Options", bound=BaseModel)
Result = TypeVar("Result")

router = APIRouter(prefix="/v1", tags=["perception"])


@router.post("/people", summary="1. Detect: who and what is in the photo")
async def people(request: Request, photo: PhotoFile, options: SeenBy = NONE) -> Sight:
    """Raises ``no_person``, ``unsupported_media``, ``too_large``, ``invalid_request`` (as all below)."""
    chosen = _parsed(PhotoOptions, options)
    return await _run(request, photo, lambda seen, read, clock: seen.people(read, chosen, clock))


@router.post("/masks", summary="2. Segment: the same with a mask per person and object")
async def masks(request: Request, photo: PhotoFile, options: SeenBy = NONE) -> Sight:
    """A mask is a run-length code (COCO's) in pixels of the upright photo."""
    chosen = _parsed(PhotoOptions, options)
    return await _run(request, photo, lambda seen, read, clock: seen.masks(read, chosen, clock))


@router.post("/answers", summary="3. Ask: what the photo, each person and each two people show")
async def answers(request: Request, photo: PhotoFile, options: ToldBy = NONE) -> Answers:
    """What each stage before found is in it, so that it can be edited and told."""
    chosen = _parsed(StoryOptions, options)
    return await _run(request, photo, lambda seen, read, clock: seen.answers(read, chosen, clock))


@router.post("/stories", summary="All stages: photo to people, objects, records and story")
async def stories(request: Request, photo: PhotoFile, options: ToldBy = NONE) -> Story:
    """Each sentence of the story names the records it rests on."""
    chosen = _parsed(StoryOptions, options)
    return await _run(request, photo, lambda seen, read, clock: seen.story(read, chosen, clock))


@router.post("/stories/from-answers", summary="4. Tell: answers to records and story")
async def stories_from_answers(answers: Answers) -> Story:
    """What ``/v1/answers`` answered, as it was or edited. Needs no model."""
    return tell_story(answers)


@router.post(
    "/overlays",
    summary="The photo with people and things marked: masks, boxes, symbols",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
async def overlays(request: Request, photo: PhotoFile, options: SeenBy = NONE) -> Response:
    """A PNG of the upright photo's size."""
    chosen = _parsed(PhotoOptions, options)
    picture = await _run(request, photo, lambda seen, read, clock: seen.overlay(read, chosen, clock))
    return Response(picture, media_type="image/png")


@router.post("/judgements", summary="The direct route: a model that sees answers how people relate, without a story")
async def judgements(request: Request, photo: PhotoFile, options: JudgedBy) -> Judgement:
    """Raises also ``one_person``, ``unknown_person``, ``model_unavailable`` (the profile has no such model)."""
    chosen = _parsed(JudgeOptions, options)
    return await _run(request, photo, lambda seen, read, clock: seen.judgement(read, chosen, clock))


@router.delete("/memory", summary="Forget what was worked out of the last photos")
async def forget(request: Request) -> dict[str, int]:
    """``forgotten``: how many results of stages there were."""
    return {"forgotten": _loaded(request.app).memory.erase()}


async def _run(request: Request, data: bytes, work: Callable[[Perception, Photo, Stopwatch], Result]) -> Result:
    """Read the photo and work on it in the model's thread."""
    perception = _loaded(request.app)

    def turn(stop: Stop) -> Result:
        return work(perception, Photo.read(data), Stopwatch(stop.check))

    runner: ModelRunner = request.app.state.runner
    return await runner.run(request, turn)


def _parsed(kind: type[Options], options: str) -> Options:
    try:
        return kind.model_validate_json(options)
    except ValidationError as error:
        problem = validation_problem(error.errors())
        raise ProblemError(problem.code, problem.detail, param=problem.param or "options") from error


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = perception_settings()
    threads = settings.photos_at_once if settings.asks_a_model_that_sees else 1
    app.state.runner = ModelRunner(settings.queue_length, threads)
    limited.start()
    app.state.loading = Loading("the perception models", partial(load_perception, settings))
    try:
        yield
    finally:
        app.state.runner.close()
        await app.state.loading.ended()


async def _ready() -> dict[str, str]:
    return {"models": app.state.loading.state}


def _loaded(app: FastAPI) -> Perception:
    loading: Loading[Perception] = app.state.loading
    return loading.result()


app = create_app(
    title="Raconteur perception",
    version="2",
    routers=[router],
    ready=_ready,
    max_body_bytes=perception_settings().max_upload_bytes,
    lifespan=_lifespan,
)
