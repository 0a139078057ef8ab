"""The three services as one small HTTP server that speaks their contracts: no models, real media, faults on demand.

Prompt searches and evaluations are real ones, of a language model without weights."""

import asyncio
import hashlib
import io
import math
import re
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Annotated

import av
import numpy as np
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response, UploadFile
from safetensors.numpy import save

from gateway.people import people_in
from services.common.app import create_app
from services.common.errors import ProblemError
from services.perception.schemas import (
    Answer,
    Judged,
    Judgement,
    JudgeOptions,
    Person,
    PhotoOptions,
    Record,
    Sentence,
    Sight,
    Story,
    StoryOptions,
)
from services.reasoning.judging import judge_on
from services.reasoning.pipeline import Reasoner
from services.reasoning.prompt import builtin_prompts
from services.reasoning.schemas import (
    ChosenPrompt,
    EvaluationProgress,
    EvaluationRequest,
    Evidence,
    FusedSentence,
    FusionRequest,
    FusionResponse,
    Relation,
    RelationsRequest,
    RelationsResponse,
    SearchEstimate,
    SearchProgress,
    SearchQuestion,
    SearchRequest,
    ShippedPrompt,
    Taxonomy,
)
from services.reasoning.scoring import DEFAULT_METHOD
from services.reasoning.search.advance import advance, prepare
from services.reasoning.taxonomy import builtin_taxonomies
from services.talkinghead.client import CAPTIONS, REPORT_HEADER, pack_segment
from services.talkinghead.schemas import (
    FPS,
    Caption,
    MouthReport,
    PortraitOptions,
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechOptions,
    SpeechReport,
    TrackOptions,
    TrackReport,
    VoicesReport,
    VoiceView,
)
from tests.gateway.made_media import HEIGHT, PNG, WIDTH, pictures, soundtrack
from tests.reasoning.search.prompted_fake import PromptedFake

MAX_SPEECH_S = 60.0

CONSENT = {"consent": '{"subject": "Ann Lee", "basis": "self", "given_on": "2026-11-01"}'}
"""A form field that every video needs."""


@dataclass
class Fakes:
    """Knobs and tallies. ``segment_s`` is how long a segment takes, one that has begun, too; ``faults`` are raised by
    the next segments."""

    url: str = ""
    segment_s: float = 0.0
    busy: bool = False
    faults: list[ProblemError] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    abandoned: int = 0
    speeches: int = 0
    tracks: int = 0
    held: dict[str, bytes] = field(default_factory=dict)
    asked: SegmentOptions | None = None
    """Of the last segment."""
    heard: tuple[SpeechOptions, bytes | None] | None = None
    """Options and features of the last speech."""
    sent: list[str] = field(default_factory=list)
    """Names of the inputs that came as files and not by their hash."""
    slice_s: float = 0.5
    slices: list[int] = field(default_factory=list)
    prompts: list[ChosenPrompt | None] = field(default_factory=list)
    looks: int = 0
    look_s: float = 0.0
    """How long a look at a photo takes."""
    blind: bool = False
    """The perception service is too busy to look."""
    thinking_s: float = 0.0
    """How long a question about relations takes."""
    questions: list[RelationsRequest] = field(default_factory=list)
    surest: tuple[str, str] | None = None
    """Whose relation is beyond doubt."""

    def reset(self) -> None:
        self.segment_s, self.busy, self.abandoned, self.speeches, self.tracks = 0.0, False, 0, 0, 0
        self.slice_s, self.looks, self.blind, self.thinking_s, self.surest = 0.5, 0, False, 0.0, None
        self.look_s = 0.0
        tallies = (self.faults, self.segments, self.finished, self.held, self.sent, self.slices, self.prompts)
        for tally in (*tallies, self.questions):
            tally.clear()

    async def input(self, file: UploadFile | None, sha256: str | None, param: str) -> bytes:
        if file is not None:
            self.sent.append(param)
            content = await file.read()
            self.held[hashlib.sha256(content).hexdigest()] = content
            return content
        self.require({param: sha256})
        return self.held[sha256]

    def require(self, named: dict[str, str | None]) -> None:
        missing = [param for param, sha256 in named.items() if sha256 is not None and sha256 not in self.held]
        if missing:
            raise ProblemError("input_missing", f"{missing}: not held", param=missing[0], missing=missing)


@contextmanager
def serve_fakes(port: int) -> Iterator[Fakes]:
    """The fakes on ``port`` in a thread of this process."""
    fakes = Fakes(url=f"http://127.0.0.1:{port}")
    with serve(fake_app(fakes), port):
        yield fakes


@contextmanager
def serve(app: FastAPI, port: int) -> Iterator[None]:
    """Any ASGI app by uvicorn in a thread; ready when entered."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join(10)


def fake_app(fakes: Fakes) -> FastAPI:
    router = APIRouter()
    json = Annotated[str, Form()]
    hashed = Annotated[str | None, Form()]

    async def portrait_bytes(portrait: UploadFile | None = None, portrait_sha256: hashed = None) -> bytes:
        return await fakes.input(portrait, portrait_sha256, "portrait")

    async def segment_bytes(
        portrait: UploadFile | None = None,
        portrait_sha256: hashed = None,
        track: UploadFile | None = None,
        track_sha256: hashed = None,
    ) -> tuple[bytes, bytes | None]:
        fakes.require({"portrait": portrait_sha256, "track": track_sha256})
        source = await fakes.input(portrait, portrait_sha256, "portrait")
        return source, None if track is track_sha256 else await fakes.input(track, track_sha256, "track")

    portrait_input = Annotated[bytes, Depends(portrait_bytes)]
    segment_inputs = Annotated[tuple[bytes, bytes | None], Depends(segment_bytes)]

    @router.post("/v1/stories")
    async def stories(photo: UploadFile, options: json) -> Story:
        if fakes.blind:
            raise ProblemError("overloaded", "16 requests wait already")
        fakes.looks += 1
        await asyncio.sleep(fakes.look_s)
        shown = (await photo.read())[len(PNG) :].decode()
        if shown.startswith("broken"):
            raise ProblemError("unsupported_media", "photo: it cannot be decoded", param="photo")
        asked = StoryOptions.model_validate_json(options)
        people = len(asked.boxes) if asked.boxes else int(shown.partition("people=")[2] or 0)
        age = {} if "age" in asked.omit else {"age": Answer(value="35", score=0.8, model="fake")}
        return Story(
            width=WIDTH,
            height=HEIGHT,
            people=[Person(symbol=f"P{n + 1}", box=(n, 0, n + 1, 9), score=0.9, attributes=age) for n in range(people)],
            objects=[],
            pairs=[],
            scene={},
            records=[
                Record(id=f"r{n + 1}", about=[f"P{n + 1}"], kind="posture", text=f"<P{n + 1}> stands there", score=0.9)
                for n in range(people)
            ],
            sentences=[Sentence(text=f"<P{n + 1}> stands there.", records=[f"r{n + 1}"]) for n in range(people)],
            story=" ".join(f"<P{n + 1}> stands there." for n in range(people)),
            warnings=["photo: only its first frame was read"] if "animated" in shown else [],
            models={},
            timings_s={"people": 0.01},
        )

    @router.post("/v1/overlays")
    async def overlays(photo: UploadFile, options: json) -> Response:
        """The photo and what was asked, instead of a picture."""
        asked = PhotoOptions.model_validate_json(options)
        return Response(await photo.read() + asked.model_dump_json().encode(), media_type="image/png")

    @router.post("/v1/judgements")
    async def judgements(photo: UploadFile, options: json) -> Judgement:
        """The last label is the likeliest."""
        asked = JudgeOptions.model_validate_json(options)
        seen = await stories(photo, asked.model_dump_json(include={"boxes", "blur_faces"}))
        kept = [label.name for label in asked.labels if not (label.sensitive and asked.leave_out_sensitive)]
        shares = {name: 0.4 / (len(kept) - 1) for name in kept} | {kept[-1]: 0.6}
        pairs = asked.pairs or list(combinations([person.symbol for person in seen.people], 2))
        sight = {name: getattr(seen, name) for name in Sight.model_fields}
        return Judgement(**sight, relations=[Judged(pair=pair, probabilities=shares) for pair in pairs], model="eye")

    @router.post("/v1/fusions")
    async def fusions(asked: FusionRequest) -> FusionResponse:
        """Every sentence is told better but the last."""
        told = [FusedSentence(text=f"Indeed {text}", by="model", reason=None) for text in asked.sentences[:-1]]
        last = FusedSentence(text=asked.sentences[-1], by="template", reason="it adds 'love'")
        return FusionResponse(sentences=[*told, last], model="fake")

    @router.post("/v1/relations")
    async def relations(asked: RelationsRequest) -> RelationsResponse:
        fakes.prompts.append(asked.prompt)
        fakes.questions.append(asked)
        await asyncio.sleep(fakes.thinking_s)
        if not isinstance(asked.taxonomy, str):
            labels, name = [label.name for label in asked.taxonomy.labels], asked.taxonomy.name
        else:
            labels, name = ["friends", "family"], asked.taxonomy
        share = {label: 1 / len(labels) for label in labels}
        sure = {label: float(label == labels[0]) for label in labels}
        return RelationsResponse(
            relations=[
                Relation(
                    pair=pair,
                    label=labels[0],
                    coarse=None,
                    probabilities=sure if pair == fakes.surest else share,
                    abstained=max(share.values()) < asked.abstain_below and pair != fakes.surest,
                    explanation="They stand there." if asked.explain else None,
                    evidence=[Evidence(sentence=asked.story, weight=0.1)],
                )
                for pair in asked.pairs or combinations(people_in(asked.story), 2)
            ],
            taxonomy=name,
            prompt="fake",
            model="fake",
            method="fake",
            warnings=[],
            timings_s={"score": 0.01},
        )

    @router.get("/v1/taxonomies")
    async def taxonomies() -> list[Taxonomy]:
        return list(builtin_taxonomies().values())

    @router.get("/v1/prompts")
    async def prompts() -> list[ShippedPrompt]:
        return [ShippedPrompt(hash=prompt.content_hash, **asdict(prompt)) for prompt in builtin_prompts().values()]

    @router.post("/v1/prompt-searches/estimate")
    def estimate_search(asked: SearchQuestion) -> SearchEstimate:
        return prepare(_language_model(), asked, DEFAULT_METHOD)

    @router.post("/v1/prompt-searches/advance")
    def advance_search(asked: SearchRequest) -> SearchProgress:
        """The real search of a language model without weights, in slices of a few rows."""
        fakes.slices.append(len(asked.events))
        if fakes.faults:
            raise fakes.faults.pop(0)
        time.sleep(fakes.segment_s)
        return advance(
            _language_model(), asked.model_copy(update={"slice_s": fakes.slice_s}), DEFAULT_METHOD, lambda: None
        )

    @router.post("/v1/evaluations/advance")
    def advance_evaluation(asked: EvaluationRequest) -> EvaluationProgress:
        fakes.slices.append(len(asked.scores))
        time.sleep(fakes.segment_s)
        slice_s = asked.model_copy(update={"slice_s": fakes.slice_s})
        return judge_on(Reasoner(_language_model(), {}), slice_s, lambda: None)

    @router.post("/v1/portraits")
    async def portraits(portrait: portrait_input, options: json) -> PortraitReport:
        if fakes.busy:
            raise ProblemError("overloaded", "16 requests wait already")
        if portrait[4:8] == b"ftyp":
            return PortraitReport(width=WIDTH, height=HEIGHT, face_box=None, face_size_px=None, warnings=[])
        shown = portrait[len(PNG) :].decode()
        if shown in ("no_face", "face_too_small"):
            raise ProblemError(shown, f"portrait: {shown}", param="portrait")
        if shown == "several_faces" and PortraitOptions.model_validate_json(options).face is None:
            raise ProblemError("several_faces", "portrait: 2 faces; choose one by face", param="face", faces=2)
        return PortraitReport(
            width=WIDTH, height=HEIGHT, face_box=(8, 8, 40, 40), face_size_px=32, warnings=["portrait: small"]
        )

    @router.post("/v1/tracks")
    async def tracks(portrait: portrait_input, options: json) -> Response:
        """The track is the video's number of frames."""
        fakes.tracks += 1
        TrackOptions.model_validate_json(options)
        with av.open(io.BytesIO(portrait)) as container:
            stream = container.streams.video[0]
            fps, frames = stream.average_rate.as_integer_ratio(), stream.frames
        report = TrackReport(width=WIDTH, height=HEIGHT, fps=fps, frames=frames, warnings=["source: nobody there"])
        body = str(frames).encode()
        fakes.held[hashlib.sha256(body).hexdigest()] = body
        return Response(body, headers={REPORT_HEADER: report.model_dump_json()})

    @router.post("/v1/speech")
    async def speech(
        options: json,
        speech: UploadFile | None = None,
        text: Annotated[str, Form()] = "",
        features: UploadFile | None = None,
    ) -> Response:
        fakes.speeches += 1
        asked = SpeechOptions.model_validate_json(options)
        fakes.heard = asked, None if features is None else await features.read()
        if asked.voice not in (None, "heart"):
            raise ProblemError("invalid_request", f"voice: {asked.voice!r} is not one of ['heart']", param="voice")
        samples, rate = _samples(await speech.read()) if speech else (np.full(16000, 0.1, np.float32), 16000)
        duration_s = len(samples) / rate
        if not len(samples):
            raise ProblemError("audio_empty", "speech: 0 s", param="speech")
        if duration_s > MAX_SPEECH_S:
            raise ProblemError("audio_too_long", f"speech: {duration_s} s, over {MAX_SPEECH_S} s", param="speech")
        if np.abs(samples).max() < 1e-3:
            raise ProblemError("audio_silent", "speech: nothing is heard", param="speech")
        frames = math.ceil(duration_s * FPS)
        report = SpeechReport(
            duration_s=duration_s, frames=frames, sample_rate_hz=rate, channels=1, warnings=["speech: quiet"]
        )
        body = save(
            {
                "actions": np.zeros((frames, 11), np.float32),
                "features": np.arange(2 * frames, dtype=np.float32)[:, None],
                "soundtrack": np.frombuffer(soundtrack(samples, rate), np.uint8),
                "captions": np.frombuffer(CAPTIONS.dump_json(captions_of(text, duration_s)), np.uint8),
                "span": np.array([0, frames], np.int64),
            }
        )
        return Response(body, headers={REPORT_HEADER: report.model_dump_json()})

    @router.post("/v1/mouths")
    async def mouths(video: UploadFile) -> MouthReport:
        with av.open(io.BytesIO(await video.read())) as container:
            frames = sum(1 for _ in container.decode(video=0))
        return MouthReport(fps=FPS, openings=[None, *[0.2] * (frames - 1)], loudness=[0.1] * frames)

    @router.get("/v1/voices")
    async def voices() -> VoicesReport:
        return VoicesReport(voices=[VoiceView(name="heart", language="en-US", gender="female")])

    @router.post("/v1/segments")
    async def segments(
        request: Request,
        inputs: segment_inputs,
        speech: UploadFile,
        options: json,
        state: UploadFile | None = None,
    ) -> Response:
        """A progressive segment begins with the number of its first frame, which the one before left."""
        portrait, track = inputs
        asked = SegmentOptions.model_validate_json(options)
        begins = None if state is None else (await state.read()).decode()
        if begins != (str(asked.first_frame) if asked.progressive and asked.first_frame else None):
            raise ProblemError("invalid_request", f"state: {begins!r} before {asked.first_frame}", param="state")
        fakes.asked = asked
        fps = Fraction(FPS)
        if track is not None:
            with av.open(io.BytesIO(portrait)) as container:
                fps = container.streams.video[0].average_rate
        fakes.segments.append(asked.first_frame)
        if fakes.faults:
            raise fakes.faults.pop(0)
        began = time.monotonic()
        while time.monotonic() < began + fakes.segment_s:
            if await request.is_disconnected():
                fakes.abandoned += 1
                raise ProblemError("canceled", "the caller is gone")
            await asyncio.sleep(0.02)
        fakes.finished.append(asked.first_frame)
        report = SegmentReport(
            first_frame=asked.first_frame,
            frames=asked.frames,
            width=WIDTH,
            height=HEIGHT,
            model="fake",
            warnings=[],
            timings_s={},
        )
        body = pictures(asked.first_frame, asked.frames, fps, asked.mark)
        if asked.progressive:
            body = pack_segment(body, str(asked.first_frame + asked.frames).encode())
        return Response(body, headers={REPORT_HEADER: report.model_dump_json()}, media_type="video/mp4")

    @router.delete("/v1/inputs/{sha256}", status_code=204)
    async def erase(sha256: str) -> None:
        fakes.held.pop(sha256, None)

    async def ready() -> dict[str, str]:
        return {"fake": "ready"}

    return create_app(title="fakes", version="1", routers=[router], ready=ready, max_body_bytes=50_000_000)


def _language_model() -> PromptedFake:
    cues = {"hugs": "family", "laughs": "friends", "pays": "commercial"}
    return PromptedFake(cues=cues, helpful=("detective", "Small gestures"))


def captions_of(text: str, duration_s: float) -> list[Caption]:
    """The sentences of a text, all of the same length."""
    sentences = [sentence.strip() for sentence in re.findall(r"[^.!?]+[.!?]*", text)]
    each_s = duration_s / max(1, len(sentences))
    return [Caption(begin_s=n * each_s, end_s=(n + 1) * each_s, text=told) for n, told in enumerate(sentences)]


def _samples(content: bytes) -> tuple[np.ndarray, int]:
    try:
        with wave.open(io.BytesIO(content)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768, file.getframerate()
    except (wave.Error, EOFError, RuntimeError) as error:
        raise ProblemError("unsupported_media", f"speech: {error}", param="speech") from None
