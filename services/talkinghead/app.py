"""HTTP server of the talking-head service: ``uvicorn services.talkinghead.app:app``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, FastAPI, File, Form, Request, Response
from pydantic import BaseModel, ValidationError

from services.common.app import create_app, validation_problem
from services.common.errors import ProblemError
from services.common.runner import ModelRunner, Stop
from services.talkinghead.client import REPORT_HEADER
from services.talkinghead.models import load_models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.schemas import (
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechOptions,
    TrackOptions,
)
from services.talkinghead.settings import TalkingHeadSettings, talkinghead_settings

MP4: Final = "video/mp4"
LOADING: Final = {"models": "loading"}
SAFETENSORS: Final = "application/vnd.safetensors"

Options = TypeVar("Options", bound=BaseModel)


class Service:
    """The process's state: the pipeline once its models are loaded, and whose turn it is."""

    def __init__(self, settings: TalkingHeadSettings) -> None:
        self._settings = settings
        self._pipeline: TalkingHead | None = None
        self.states = LOADING
        self.intake = ModelRunner(settings.queue_length)
        """Reading and checking, which must not wait while a segment is made."""
        self.making = ModelRunner(settings.queue_length)

    def load(self) -> None:
        models, states = load_models(self._settings)
        self._pipeline = TalkingHead(models, self._settings) if models is not None else None
        self.states = states  # last: who sees them may use the pipeline

    @property
    def pipeline(self) -> TalkingHead:
        if self.states == LOADING:
            raise ProblemError("service_unavailable", "the models are still being loaded")
        if self._pipeline is None:
            missing = {name: state for name, state in self.states.items() if state != "ready"}
            raise ProblemError("model_unavailable", f"not loaded: {missing}")
        return self._pipeline


def talkinghead_app(settings: TalkingHeadSettings) -> FastAPI:
    """The app; models load in the background, so that ``/livez`` and ``/readyz`` answer from the start."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(asyncio.to_thread(service.load))
        yield
        await loading
        service.intake.close()
        service.making.close()

    async def ready() -> dict[str, str]:
        return service.states

    return create_app(
        title="Raconteur talking head",
        version="1",
        routers=[_routes(service)],
        ready=ready,
        max_body_bytes=settings.max_upload_bytes,
        lifespan=lifespan,
    )


def _routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["talking head"])

    @router.post("/portraits", summary="Is this portrait fit to talk?")
    async def portraits(
        request: Request, portrait: Annotated[bytes, File()], options: Annotated[str, Form()] = "{}"
    ) -> PortraitReport:
        chosen = _parse(PortraitOptions, options)
        pipeline = service.pipeline
        return await service.intake.run(request, lambda _stop: pipeline.describe_portrait(portrait, chosen))

    @router.post("/tracks", summary="Follow the face through a video that is to be voiced anew")
    async def tracks(
        request: Request, portrait: Annotated[bytes, File()], options: Annotated[str, Form()] = "{}"
    ) -> Response:
        chosen = _parse(TrackOptions, options)
        pipeline = service.pipeline
        report, track = await service.making.run(request, lambda stop: pipeline.track(portrait, chosen, stop.check))
        return _with_report(report, track.to_bytes(), SAFETENSORS)

    @router.post("/speech", summary="Prepare a speech: a sound file, a video's sound, or a text to be spoken")
    async def speech(
        request: Request,
        speech: Annotated[bytes | None, File()] = None,
        text: Annotated[str | None, Form()] = None,
        features: Annotated[bytes | None, File(description="DeepSpeech logits, for a model that hears them")] = None,
        options: Annotated[str, Form()] = "{}",
    ) -> Response:
        chosen = _parse(SpeechOptions, options)
        pipeline = service.pipeline
        if speech is not None and text is None:
            audio = await service.intake.run(request, lambda _stop: pipeline.read_speech(speech))
        elif text is not None and speech is None:
            audio = await service.intake.run(request, lambda _stop: pipeline.speak(text, chosen.rate))
        else:
            raise ProblemError("invalid_request", "give either the file 'speech' or the field 'text'", param="speech")
        report, prepared = await service.making.run(request, lambda _stop: pipeline.prepare_speech(audio, features))
        return _with_report(report, prepared.to_bytes(), SAFETENSORS)

    @router.post("/segments", summary="Make a few seconds of a talking video, without sound")
    async def segments(
        request: Request,
        portrait: Annotated[bytes, File()],
        speech: Annotated[bytes, File()],
        options: Annotated[str, Form()],
        track: Annotated[bytes | None, File(description="where the portrait is a video")] = None,
    ) -> Response:
        chosen = _parse(SegmentOptions, options)
        pipeline = service.pipeline

        def make(stop: Stop) -> tuple[SegmentReport, bytes]:
            if track is None:
                return pipeline.make_segment(portrait, speech, chosen, stop.check)
            return pipeline.revoice_segment(portrait, speech, track, chosen, stop.check)

        report, video = await service.making.run(request, make)
        return _with_report(report, video, MP4)

    return router


def _parse(model: type[Options], options: str) -> Options:
    try:
        return model.model_validate_json(options)
    except ValidationError as error:
        raise validation_problem(error.errors()) from None


def _with_report(report: BaseModel, body: bytes, media_type: str) -> Response:
    return Response(body, media_type=media_type, headers={REPORT_HEADER: report.model_dump_json(ensure_ascii=True)})


app = talkinghead_app(talkinghead_settings())
