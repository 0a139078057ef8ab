"""The video job: portrait (or video) and speech -> segments -> one MP4."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.disk import nameless
from gateway.jobs.attempt import Made, Progress
from gateway.jobs.cuts import Cut
from gateway.jobs.inputs import FEATURES, PORTRAIT, SPEECH, TRACK, VideoInput
from gateway.jobs.join import JoinedVideo, join
from gateway.jobs.patience import patiently
from gateway.jobs.plan import Plan, plan_of
from gateway.jobs.records import Job
from gateway.jobs.workspace import Workspace
from gateway.media import HEAD_BYTES, is_video, sniff
from gateway.provenance.certificate import certificate_of
from gateway.provenance.credentials import Claim, sign
from gateway.settings import GatewaySettings
from gateway.storage import Storage, not_erased
from services.common.errors import ProblemError
from services.common.watermark import mark_of
from services.talkinghead.client import Input, TalkingHeadClient, read_captions, read_soundtrack, slice_speech
from services.talkinghead.schemas import (
    PortraitReport,
    SegmentOptions,
    SegmentReport,
    SpeechReport,
    TrackOptions,
    TrackReport,
)

T = TypeVar("T")


@dataclass(frozen=True)
class _Source:
    """What every segment is made of."""

    portrait: Input
    speech: Path  # prepared
    track: Input | None  # of a video
    fps: Fraction


class VideoMaker:
    """Makes talking videos by way of the talking-head service at ``settings.talkinghead_url``."""

    def __init__(self, settings: GatewaySettings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage

    async def __call__(self, job: Job, progress: Progress) -> Made:
        """Run the job, or what is left of it. Raises ``ProblemError`` as the service does (``no_face``, ...)."""
        return await self.make(job, VideoInput.model_validate(job.input), progress)

    async def make(self, job: Job, wanted: VideoInput, progress: Progress) -> Made:
        """Make the video that is ``wanted``, which a job of another kind may have found out first."""
        service = TalkingHeadClient(self._settings.talkinghead_url)
        try:
            with ExitStack() as reading:
                return await self._make(job, wanted, progress, service, reading)
        finally:
            await service.close()

    async def _make(
        self, job: Job, wanted: VideoInput, progress: Progress, service: TalkingHeadClient, reading: ExitStack
    ) -> Made:
        kept = self._storage.workspace(job.id)
        finished = await asyncio.to_thread(kept.finished)
        portrait = await asyncio.to_thread(self._input, reading, self._storage.copy(wanted.portrait), PORTRAIT)

        # 1. Is the portrait fit to talk?
        if PORTRAIT not in finished:
            await progress(PORTRAIT, 0, 0)
            began = time.monotonic()
            fit = await self._patiently(service, partial(service.portrait, portrait, wanted.portrait_options()))
            await asyncio.to_thread(kept.put, PORTRAIT, fit, time.monotonic() - began)

        # 2. Prepare the speech.
        if SPEECH not in finished:
            await progress(SPEECH, 0, 0)
            began = time.monotonic()
            said = wanted.text if wanted.speech is None else await self._read(wanted.speech, SPEECH)
            features = None if wanted.features is None else await self._read(wanted.features, FEATURES)
            prepare = partial(service.speech, said or "", wanted.speech_options(), features)
            report, prepared = await self._patiently(service, prepare)
            await asyncio.to_thread(kept.put, SPEECH, report, time.monotonic() - began, prepared)
        speech = await asyncio.to_thread(reading.enter_context, kept.content(SPEECH))

        # 3. Follow the face through a video.
        track: Input | None = None
        if is_video(_media_type(portrait.path)):
            if TRACK not in finished:
                await progress(TRACK, 0, 0)
                began = time.monotonic()
                follow = partial(service.track, portrait, TrackOptions(face=wanted.face))
                found, followed = await self._patiently(service, follow)
                await asyncio.to_thread(kept.put, TRACK, found, time.monotonic() - began, followed)
            track = await asyncio.to_thread(self._input, reading, kept.content(TRACK), TRACK)

        # 4. Make the segments that are missing.
        video = await asyncio.to_thread(plan_of, kept, wanted)
        source = _Source(portrait, speech, track, video.fps)
        plan = [
            SegmentOptions(
                first_frame=cut.first_frame,
                frames=cut.frames,
                steps=wanted.steps,
                seed=wanted.seed,
                face=wanted.face,
                still=wanted.still,
                draft=wanted.draft,
                progressive=wanted.progressive,
                sampler=wanted.sampler,
                label=wanted.label,
                mark=mark_of(job.id),
            )
            for cut in video.cuts()
        ]
        steps_total = len(plan) + 1  # joining is a step, too
        made_here_s: list[float] = []
        before: str | None = None
        for index, segment in enumerate(plan):
            mean_s = sum(made_here_s) / len(made_here_s) if made_here_s else None
            await progress("segments", index, steps_total, None if mean_s is None else mean_s * (len(plan) - index))
            stage = _stage(segment)
            if stage not in finished:
                made_here_s.append(await self._segment(kept, service, source, segment, before))
            before = stage

        # 5. Join and sign them.
        await progress("join", len(plan), steps_total)
        stages = [_stage(segment) for segment in plan]
        finish = partial(self._finish, job, wanted, kept, stages=stages, speech=speech, video=video)
        return await asyncio.to_thread(finish)

    def _finish(
        self, job: Job, wanted: VideoInput, kept: Workspace, *, stages: list[str], speech: Path, video: Plan
    ) -> Made:
        began = time.monotonic()
        result = f"signed-{job.fence}.mp4"
        with nameless(self._settings.data_dir) as target, kept.draft(result) as signed:
            # 1. The segments with the sound and the captions
            joined = join(
                _contents(kept, stages), read_soundtrack(speech), target, video.fps, captions=read_captions(speech)
            )
            if joined.frames != video.frames:
                raise ProblemError("internal", f"the video has {joined.frames} frames, it should have {video.frames}")
            # 2. What it is. Nothing changes the file after this.
            claim = Claim(job.id, kept.report(stages[0], SegmentReport).model, wanted.sources)
            sign(target, signed, claim, certificate_of(self._settings))
        return _made(result, kept, stages, joined, fps=video.fps, join_s=time.monotonic() - began)

    @staticmethod
    def _input(reading: ExitStack, copy: AbstractContextManager[Path], param: str) -> Input:
        """Readable while ``reading`` lasts."""
        with not_erased(param):
            return Input.of(reading.enter_context(copy))

    async def _read(self, file_id: str, param: str) -> bytes:
        with not_erased(param):
            return await asyncio.to_thread(self._storage.read, file_id)

    async def _segment(
        self, kept: Workspace, service: TalkingHeadClient, source: _Source, segment: SegmentOptions, before: str | None
    ) -> float:
        """Make and keep one segment, from what the stage ``before`` left -> the seconds it took."""
        began = time.monotonic()
        state = None
        if before is not None and segment.progressive:
            state = await asyncio.to_thread(kept.state, before)
        heard = slice_speech(source.speech, segment.first_frame, segment.frames, source.fps)
        make = partial(service.segment, source.portrait, heard, segment, track=source.track, state=state)
        report, content, state = await self._patiently(service, make)
        seconds = time.monotonic() - began
        await asyncio.to_thread(kept.put, _stage(segment), report, seconds, content, state)
        if before is not None and segment.progressive:
            await asyncio.to_thread(kept.drop_state, before)
        return seconds

    async def _patiently(self, service: TalkingHeadClient, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(service, self._settings.service_patience_s, call)


def _contents(kept: Workspace, stages: list[str]) -> Iterator[Path]:
    """Each while it is looked at."""
    for stage in stages:
        with kept.content(stage) as content:
            yield content


def _media_type(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES)) or ""


def _stage(segment: SegmentOptions) -> str:
    return Cut(segment.first_frame, segment.frames).stage


def _made(
    result: str, kept: Workspace, stages: list[str], joined: JoinedVideo, *, fps: Fraction, join_s: float
) -> Made:
    prepared = [stage for stage in (PORTRAIT, SPEECH, TRACK) if kept.has(stage)]
    timings_s = {stage: kept.seconds(stage) for stage in prepared} | {
        "segments": sum(kept.seconds(stage) for stage in stages),
        "join": join_s,
    }
    facts = {
        "width": joined.width,
        "height": joined.height,
        "fps": float(fps),
        "frames": joined.frames,
        "duration_s": round(joined.duration_s, 3),
        "timings_s": {stage: round(seconds, 3) for stage, seconds in timings_s.items()},
    }
    warnings = kept.report(PORTRAIT, PortraitReport).warnings + kept.report(SPEECH, SpeechReport).warnings
    if kept.has(TRACK):
        warnings += kept.report(TRACK, TrackReport).warnings
    for stage in stages:
        warnings += kept.report(stage, SegmentReport).warnings
    return Made(result, "video.mp4", "video/mp4", facts, list(dict.fromkeys(warnings)))  # each once, in order
