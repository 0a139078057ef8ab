"""The narration job: photo (or story) -> relation -> script -> a video of the portrait that speaks it."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import BaseModel

from gateway.jobs.attempt import Made, Progress
from gateway.jobs.inputs import PERCEPTION, PHOTO, REASONING, SCRIPT, NarrationInput
from gateway.jobs.patience import patiently
from gateway.jobs.records import Job
from gateway.jobs.video import VideoMaker
from gateway.jobs.workspace import QUESTION, Workspace
from gateway.narration.question import NarrationQuestion, Told, find_relation
from gateway.narration.script import write_script
from gateway.settings import GatewaySettings
from gateway.storage import Storage, not_erased
from gateway.taxonomy import find_taxonomy
from services.common.client import ServiceClient
from services.perception.client import PerceptionClient
from services.perception.schemas import Story
from services.reasoning.client import ReasoningClient
from services.reasoning.schemas import RelationsRequest, RelationsResponse

T = TypeVar("T")


class Script(BaseModel):
    """What is spoken, of which two people, and what was found about them."""

    text: str
    told: Told
    story_warnings: list[str]


class NarrationMaker:
    """Has photos read and scripts written, and hands those to ``videos``."""

    def __init__(self, settings: GatewaySettings, storage: Storage, videos: VideoMaker) -> None:
        self._settings, self._storage, self._videos = settings, storage, videos

    async def __call__(self, job: Job, progress: Progress) -> Made:
        """Run the job, or what is left of it. Raises ``ProblemError`` as the services do (``no_person``, ...)."""
        wanted = NarrationInput.model_validate(job.input)
        if wanted.text is not None:
            made = await self._videos.make(job, wanted, progress)
            return replace(made, facts=made.facts | {"script": wanted.text})
        kept = self._storage.workspace(job.id)
        question = NarrationQuestion.model_validate_json(await asyncio.to_thread(kept.read, QUESTION))
        script = await self._script(kept, question, wanted, progress)
        sources = wanted.sources | {"text": hashlib.sha256(script.text.encode()).hexdigest()}
        spoken = wanted.model_copy(update={"text": script.text, "sources": sources})
        made = await self._videos.make(job, spoken, progress)
        return await asyncio.to_thread(_told, made, script, kept)

    async def _script(
        self, kept: Workspace, question: NarrationQuestion, wanted: NarrationInput, progress: Progress
    ) -> Script:
        perception = PerceptionClient(self._settings.perception_url)
        reasoning = ReasoningClient(self._settings.reasoning_url)
        try:
            finished = await asyncio.to_thread(kept.finished)

            # 1. Who and what is in the photo?
            if question.story is None and PERCEPTION not in finished:
                await progress(PERCEPTION, 0, 0)
                began = time.monotonic()
                look = partial(perception.story, await asyncio.to_thread(self._photo, kept, wanted), question.look)
                found = await self._patiently(perception, look)
                await asyncio.to_thread(kept.put, PERCEPTION, found, time.monotonic() - began)
            await asyncio.to_thread(kept.remove, PHOTO)
            seen = None if question.story is not None else await asyncio.to_thread(kept.report, PERCEPTION, Story)
            story = question.check(seen)

            # 2. How do they relate?
            async def ask(request: RelationsRequest) -> RelationsResponse:
                return await self._patiently(reasoning, partial(reasoning.relations, request))

            if REASONING not in finished:
                await progress(REASONING, 0, 0)
                began = time.monotonic()
                relation = await find_relation(question, story, ask)
                await asyncio.to_thread(kept.put, REASONING, relation, time.monotonic() - began)
            told = await asyncio.to_thread(kept.report, REASONING, Told)

            # 3. Put it into words.
            if SCRIPT not in finished:
                await progress(SCRIPT, 0, 0)
                began = time.monotonic()
                builtin = partial(self._patiently, reasoning, reasoning.taxonomies)
                taxonomy = await find_taxonomy(question.taxonomy, builtin)
                text = write_script(story, told.relation, taxonomy)
                script = Script(text=text, told=told, story_warnings=seen.warnings if seen else [])
                await asyncio.to_thread(kept.put, SCRIPT, script, time.monotonic() - began)
            return await asyncio.to_thread(kept.report, SCRIPT, Script)
        finally:
            await perception.close()
            await reasoning.close()

    def _photo(self, kept: Workspace, wanted: NarrationInput) -> bytes:
        with not_erased("photo"):
            return kept.read(PHOTO) if wanted.photo is None else self._storage.read(wanted.photo)

    async def _patiently(self, service: ServiceClient, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(service, self._settings.service_patience_s, call)


def _told(made: Made, script: Script, kept: Workspace) -> Made:
    """The video, with what it says and how sure that is."""
    relation = script.told.relation
    facts = {
        "script": script.text,
        "pair": list(relation.pair),
        "label": None if relation.abstained else relation.label,
        "probability": None if relation.abstained else round(relation.probabilities[relation.label], 4),
    }
    stages = [stage for stage in (PERCEPTION, REASONING, SCRIPT) if kept.has(stage)]
    timings_s = {stage: kept.seconds(stage) for stage in stages} | made.facts["timings_s"]
    warnings = script.story_warnings + script.told.warnings + made.warnings
    return replace(made, facts=made.facts | facts | {"timings_s": timings_s}, warnings=warnings)
