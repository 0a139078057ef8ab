"""Looks at a video's portrait and speech before the job is accepted."""

import asyncio
import time

import structlog

from gateway.api.parts import Parts
from gateway.jobs.inputs import PORTRAIT, SPEECH, VideoInput
from gateway.jobs.workspace import Workspace
from gateway.storage import Storage
from services.common.errors import ProblemError
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
        try:
            async with asyncio.timeout(self._parts.settings.early_check_s):
                await self._ask()
        except TimeoutError:
            log.info("early_check_left_to_job", reason="timeout")
        except ProblemError as error:
            if not error.kind.retryable:
                raise
            log.info("early_check_left_to_job", reason=error.code)

    async def _ask(self) -> None:
        service, wanted, storage = self._parts.talkinghead, self._wanted, self._parts.storage
        began = time.monotonic()
        portrait = await asyncio.to_thread(Input.of, storage.path(wanted.portrait))
        fit = await service.portrait(portrait, wanted.portrait_options(), self._request_id)
        self._portrait = fit, time.monotonic() - began
        began = time.monotonic()
        source: str | bytes = wanted.text or storage.path(str(wanted.speech)).read_bytes()
        features = None if wanted.features is None else storage.path(wanted.features).read_bytes()
        report, prepared = await service.speech(source, wanted.speech_options(), features, self._request_id)
        self._speech = report, prepared, time.monotonic() - began

    def hand_over(self, storage: Storage, job_id: str) -> None:
        """Keep for the job what was found out; it does the rest."""
        kept = Workspace(storage.workspace(job_id))
        if self._portrait:
            kept.put(PORTRAIT, self._portrait[0], self._portrait[1])
        if self._speech:
            report, prepared, seconds = self._speech
            kept.put(SPEECH, report, seconds, prepared)
