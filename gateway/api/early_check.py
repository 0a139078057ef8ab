"""Looks at what a video or a narration is made of before the job is accepted."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import structlog

from gateway.api.parts import Parts
from gateway.jobs.inputs import PERCEPTION, PHOTO, PORTRAIT, SPEECH, NarrationInput, VideoInput
from gateway.jobs.workspace import QUESTION, Workspace
from gateway.narration.question import NarrationQuestion
from gateway.storage import not_erased
from services.common.errors import ProblemError
from services.perception.schemas import Story
from services.talkinghead.client import Input
from services.talkinghead.schemas import PortraitReport, SpeechReport

log = structlog.get_logger()


class EarlyCheck:
    """The job's first two stages before it is accepted, so that bad input is refused at once and decoded once."""

    def __init__(self, parts: Parts, wanted: VideoInput, request_id: str) -> None:
        self._parts, self._wanted, self._request_id = parts, wanted, request_id
        self._portrait: tuple[PortraitReport, float] | None = None
        self._speech: tuple[SpeechReport, bytes, float] | None = None

    @property
    def warnings(self) -> list[str]:
        portrait = self._portrait[0].warnings if self._portrait else []
        return portrait + (self._speech[0].warnings if self._speech else [])

    async def run(self) -> None:
        """Raises what is wrong with the input. A service that is busy or away is left to the job."""
        await self._unless_busy(self._ask)

    async def _unless_busy(self, ask: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._parts.settings.early_check_s):
                await ask()
        except TimeoutError:
            log.info("early_check_left_to_job", reason="timeout")
        except ProblemError as error:
            if not error.kind.retryable:
                raise
            log.info("early_check_left_to_job", reason=error.code)

    async def _ask(self) -> None:
        service, wanted, storage = self._parts.talkinghead, self._wanted, self._parts.storage
        began = time.monotonic()
        with ExitStack() as reading:
            with not_erased("portrait"):
                path = await asyncio.to_thread(reading.enter_context, storage.copy(wanted.portrait))
            portrait = await asyncio.to_thread(Input.of, path)
            fit = await service.portrait(portrait, wanted.portrait_options(), self._request_id)
        self._portrait = fit, time.monotonic() - began
        if wanted.text is None and wanted.speech is None:  # a script that the job writes
            return
        began = time.monotonic()
        with not_erased("speech"):
            source = wanted.text if wanted.speech is None else await asyncio.to_thread(storage.read, wanted.speech)
        with not_erased("features"):
            features = None if wanted.features is None else await asyncio.to_thread(storage.read, wanted.features)
        report, prepared = await service.speech(source or "", wanted.speech_options(), features, self._request_id)
        self._speech = report, prepared, time.monotonic() - began

    def hand_over(self, kept: Workspace) -> None:
        """Keep in the job's workspace what was found out; the job does the rest."""
        if self._portrait:
            kept.put(PORTRAIT, self._portrait[0], self._portrait[1])
        if self._speech:
            report, prepared, seconds = self._speech
            kept.put(SPEECH, report, seconds, prepared)


class EarlySight(EarlyCheck):
    """The same for a narration, whose photo is looked at first."""

    def __init__(
        self, parts: Parts, wanted: NarrationInput, request_id: str, *, question: NarrationQuestion, photo: bytes | None
    ) -> None:
        super().__init__(parts, wanted, request_id)
        self._question, self._photo = question, photo
        self._seen: tuple[Story, float] | None = None

    @property
    def warnings(self) -> list[str]:
        return (self._seen[0].warnings if self._seen else []) + super().warnings

    async def run(self) -> None:
        """The same, and what is wrong with the photo: ``no_person``, ``one_person``, ``unknown_person``."""
        await self._unless_busy(self._look)
        if self._photo is None or self._seen:
            self._question.check(self._seen and self._seen[0])
        await super().run()

    async def _look(self) -> None:
        if self._photo is not None:
            began = time.monotonic()
            seen = await self._parts.perception.story(self._photo, self._question.look, self._request_id)
            self._seen = seen, time.monotonic() - began

    def hand_over(self, kept: Workspace) -> None:
        """The photo itself is left to the job only where it could not be looked at yet."""
        super().hand_over(kept)
        kept.write(QUESTION, self._question.model_dump_json().encode())
        if self._seen:
            kept.put(PERCEPTION, *self._seen)
        elif self._photo is not None:
            kept.write(PHOTO, self._photo)
