"""HTTP server of the talking-head service: ``uvicorn services.talkinghead.app:app``."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated, BinaryIO, Final, NoReturn, TypeVar

from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from pydantic import BaseModel, ValidationError

from services.common import limited
from services.common.app import create_app, validation_problem
from services.common.errors import ProblemError
from services.common.runner import ModelRunner, Stop
from services.talkinghead.client import REPORT_HEADER, pack_segment
from services.talkinghead.gpu import GpuMemory
from services.talkinghead.held import HeldInputs
from services.talkinghead.memory import naming_out_of_memory
from services.talkinghead.models import load_models
from services.talkinghead.pipeline import Segment, TalkingHead
from services.talkinghead.schemas import (
    MouthReport,
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechOptions,
    TrackOptions,
    VoicesReport,
)
from services.talkinghead.settings import TalkingHeadSettings, talkinghead_settings

MP4: Final = "video/mp4"
LOADING: Final = {"models": "loading"}
SAFETENSORS: Final = "application/vnd.safetensors"
_IDLE_CHECK_S: Final = 30.0

Options = TypeVar("Options", bound=BaseModel)
T = TypeVar("T")


class Service:
    """The process's state: the pipeline once its models are loaded, and whose turn it is."""

    def __init__(self, settings: TalkingHeadSettings) -> None:
        self._settings = settings
        self._pipeline: TalkingHead | None = None
        self.states = LOADING
        self._reading = ModelRunner(settings.queue_length)
        self._making = ModelRunner(settings.queue_length)
        self.inputs = HeldInputs(
            settings.cache_dir / "inputs",
            max_bytes=settings.inputs_max_bytes,
            idle_s=settings.inputs_kept_s,
            on_erased=self._forget,
        )

    async def read(self, request: Request, work: Callable[[Stop], T]) -> T:
        """Reading and checking, which must not wait while a segment is made. Raises overloaded, out_of_memory."""
        return await self._reading.run(request, naming_out_of_memory()(work))

    async def make(self, request: Request, work: Callable[[Stop], T]) -> T:
        """Whatever takes seconds, one request after the other. Raises overloaded, out_of_memory."""
        return await self._making.run(request, naming_out_of_memory()(work))

    def close(self) -> None:
        """Let the running work end and take no more."""
        self._reading.close()
        self._making.close()
        self.inputs.close()

    async def input(self, file: UploadFile | None, sha256: str | None, param: str) -> BinaryIO:
        """An input that was sent, or that is held; sent once, it is held. Close it. Raises input_missing, too_large."""
        if (file is None) == (sha256 is None):
            raise ProblemError(
                "invalid_request", f"{param}: give either the file or its SHA-256 as '{param}_sha256'", param=param
            )
        if file is not None:
            sha256 = await asyncio.to_thread(self.inputs.hold, file.file, param)
        return self.inputs.open(str(sha256), param)

    async def erase_idle_inputs(self) -> NoReturn:
        """Until canceled."""
        while True:
            await asyncio.sleep(_IDLE_CHECK_S)
            self.inputs.erase_idle()

    def _forget(self, sha256: str) -> None:
        if self._pipeline is not None:
            self._pipeline.forget(sha256)

    def load(self) -> None:
        """Load the models; takes seconds."""
        models, states = load_models(self._settings)
        self._pipeline = TalkingHead(models, self._settings) if models is not None else None
        self.states = states  # last: who sees them may use the pipeline

    @property
    def pipeline(self) -> TalkingHead:
        """Raises ``service_unavailable`` while models load, ``model_unavailable`` where one is missing."""
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
        limited.start()
        loading = asyncio.create_task(asyncio.to_thread(service.load))
        erasing = asyncio.create_task(service.erase_idle_inputs())
        yield
        erasing.cancel()
        await loading
        service.close()

    async def ready() -> dict[str, str]:
        return service.states

    return create_app(
        title="Raconteur talking head",
        version="1",
        routers=[_routes(service)],
        ready=ready,
        max_body_bytes=2 * settings.max_upload_bytes,  # a source that is missing travels beside speech and track
        lifespan=lifespan,
        collector=GpuMemory(),
    )


def _routes(service: Service) -> APIRouter:  # noqa: PLR0915 - routes, each told in a line or two
    router = APIRouter(prefix="/v1", tags=["talking head"])

    async def portrait_file(
        portrait: Annotated[UploadFile | None, File(description="a picture or a video")] = None,
        portrait_sha256: Annotated[str | None, Form(description="of one that was sent before, instead")] = None,
    ) -> AsyncIterator[BinaryIO]:
        with await service.input(portrait, portrait_sha256, "portrait") as file:
            yield file

    async def segment_files(
        portrait: Annotated[UploadFile | None, File(description="a picture or a video")] = None,
        portrait_sha256: Annotated[str | None, Form(description="of one that was sent before, instead")] = None,
        track: Annotated[UploadFile | None, File(description="where the portrait is a video")] = None,
        track_sha256: Annotated[str | None, Form(description="of one that was sent or made before, instead")] = None,
    ) -> AsyncIterator[tuple[BinaryIO, BinaryIO | None]]:
        named = {"portrait": portrait_sha256, "track": track_sha256}
        service.inputs.require({param: sha256 for param, sha256 in named.items() if sha256 is not None})
        with ExitStack() as files:
            source = files.enter_context(await service.input(portrait, portrait_sha256, "portrait"))
            followed = None
            if track is not None or track_sha256 is not None:
                followed = files.enter_context(await service.input(track, track_sha256, "track"))
            yield source, followed

    portrait_input = Annotated[BinaryIO, Depends(portrait_file)]
    segment_inputs = Annotated[tuple[BinaryIO, BinaryIO | None], Depends(segment_files)]

    @router.post("/portraits", summary="Is this portrait fit to talk?")
    async def portraits(
        request: Request, portrait: portrait_input, options: Annotated[str, Form()] = "{}"
    ) -> PortraitReport:
        """Its face, and what is odd about it. Raises ``no_face``, ``several_faces``, ``face_too_small``,
        ``unsupported_media``, ``input_missing``."""
        chosen = _parse(PortraitOptions, options)
        pipeline = service.pipeline
        return await service.read(request, lambda _stop: pipeline.describe_portrait(portrait, chosen))

    @router.post("/tracks", summary="Follow the face through a video that is to be voiced anew")
    async def tracks(request: Request, portrait: portrait_input, options: Annotated[str, Form()] = "{}") -> Response:
        """Landmarks of every frame as safetensors, held for the segments. Raises as ``/v1/portraits`` does."""
        chosen = _parse(TrackOptions, options)
        pipeline = service.pipeline
        report, track = await service.make(request, lambda stop: pipeline.track(portrait, chosen, stop.check))
        body = track.to_bytes()
        service.inputs.hold(io.BytesIO(body), "track")
        return _with_report(report, body, SAFETENSORS)

    @router.post("/speech", summary="Prepare a speech: a sound file, a video's sound, or a text to be spoken")
    async def speech(
        request: Request,
        speech: Annotated[bytes | None, File()] = None,
        text: Annotated[str | None, Form()] = None,
        features: Annotated[bytes | None, File(description="DeepSpeech logits, for a model that hears them")] = None,
        options: Annotated[str, Form()] = "{}",
    ) -> Response:
        """What the face is to do at 25 fps, with the sound and its captions, as safetensors. Raises ``audio_empty``,
        ``audio_silent``, ``audio_too_long``, ``unsupported_media``."""
        chosen = _parse(SpeechOptions, options)
        pipeline = service.pipeline
        if speech is not None and text is None:
            audio = await service.read(request, lambda _stop: pipeline.read_speech(speech))
        elif text is not None and speech is None:
            audio = await service.read(request, lambda _stop: pipeline.speak(text, chosen))
        else:
            raise ProblemError("invalid_request", "give either the file 'speech' or the field 'text'", param="speech")
        report, prepared = await service.make(request, lambda _stop: pipeline.prepare_speech(audio, features))
        return _with_report(report, prepared.to_bytes(), SAFETENSORS)

    @router.post("/mouths", summary="How far the mouth of a video opens, and how loud it is")
    async def mouths(request: Request, video: Annotated[bytes, File()]) -> MouthReport:
        """Of each frame: the inner lips' distance in mouth widths, and how loud the sound is. Raises
        ``unsupported_media``, ``audio_silent``, ``audio_too_long``."""
        pipeline = service.pipeline
        return await service.make(request, lambda _stop: pipeline.mouth(video))

    @router.get("/voices", summary="Who can read a text aloud")
    async def voices() -> VoicesReport:
        """Their names, languages and genders."""
        return service.pipeline.voices()

    @router.post("/segments", summary="Make a few seconds of a talking video, without sound")
    async def segments(
        request: Request,
        inputs: segment_inputs,
        speech: Annotated[bytes, File()],
        options: Annotated[str, Form()],
        state: Annotated[bytes | None, File(description="of the segment before, where they are progressive")] = None,
    ) -> Response:
        """H.264 in MP4, with the state for the next segment where they are progressive. Raises ``input_missing``
        where a source named by its SHA-256 is not held, ``invalid_request`` beyond the speech's end."""
        chosen = _parse(SegmentOptions, options)
        pipeline = service.pipeline
        portrait, track = inputs

        def make(stop: Stop) -> tuple[SegmentReport, Segment]:
            if track is None:
                return pipeline.make_segment(portrait, speech, chosen, stop.check, state=state)
            return pipeline.revoice_segment(portrait, speech, track.read(), chosen, stop.check, state=state)

        report, made = await service.make(request, make)
        if made.state is None:
            return _with_report(report, made.video, MP4)
        return _with_report(report, pack_segment(made.video, made.state), SAFETENSORS)

    @router.delete("/inputs/{sha256}", status_code=204, summary="Erase a source or a track, if it is held")
    async def erase(sha256: str) -> None:
        """With it goes what was found out about it; what is not held is no fault."""
        service.inputs.erase(sha256)

    return router


def _parse(model: type[Options], options: str) -> Options:
    try:
        return model.model_validate_json(options)
    except ValidationError as error:
        raise validation_problem(error.errors()) from None


def _with_report(report: BaseModel, body: bytes, media_type: str) -> Response:
    return Response(body, media_type=media_type, headers={REPORT_HEADER: report.model_dump_json(ensure_ascii=True)})


app = talkinghead_app(talkinghead_settings())
