"""The narration job: photo (or story) -> relation -> script -> a video of the portrait that speaks it."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from gateway.storage import Storage
from gateway.taxonomy import find_taxonomy
from services.common.client import ServiceClient
from services.common.errors import ProblemError
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
        kept = Workspace(self._storage.workspace(job.id))
        question = NarrationQuestion.model_validate_json((kept.folder / QUESTION).read_bytes())
        script = await self._script(kept, question, wanted, progress)
        sources = wanted.sources | {"text": hashlib.sha256(script.text.encode()).hexdigest()}
        spoken = wanted.model_copy(update={"text": script.text, "sources": sources})
        return _told(await self._videos.make(job, spoken, progress), script, kept)

    async def _script(
        self, kept: Workspace, question: NarrationQuestion, wanted: NarrationInput, progress: Progress
    ) -> Script:
        perception = PerceptionClient(self._settings.perception_url)
        reasoning = ReasoningClient(self._settings.reasoning_url)
        try:
            # 1. Who and what is in the photo?
            if question.story is None and not kept.has(PERCEPTION):
                await progress(PERCEPTION, 0, 0)
                began = time.monotonic()
                look = partial(perception.story, self._photo(kept, wanted), question.look)
                kept.put(PERCEPTION, await self._patiently(perception, look), time.monotonic() - began)
            (kept.folder / PHOTO).unlink(missing_ok=True)
            seen = kept.report(PERCEPTION, Story) if kept.has(PERCEPTION) else None
            story = question.check(seen)

            # 2. How do they relate?
            async def ask(request: RelationsRequest) -> RelationsResponse:
                return await self._patiently(reasoning, partial(reasoning.relations, request))

            if not kept.has(REASONING):
                await progress(REASONING, 0, 0)
                began = time.monotonic()
                kept.put(REASONING, await find_relation(question, story, ask), time.monotonic() - began)
            told = kept.report(REASONING, Told)

            # 3. Put it into words.
            if not kept.has(SCRIPT):
                await progress(SCRIPT, 0, 0)
                began = time.monotonic()
                builtin = partial(self._patiently, reasoning, reasoning.taxonomies)
                taxonomy = await find_taxonomy(question.taxonomy, builtin)
                text = write_script(story, told.relation, taxonomy)
                script = Script(text=text, told=told, story_warnings=seen.warnings if seen else [])
                kept.put(SCRIPT, script, time.monotonic() - began)
            return kept.report(SCRIPT, Script)
        finally:
            await perception.close()
            await reasoning.close()

    def _photo(self, kept: Workspace, wanted: NarrationInput) -> bytes:
        path: Path = kept.folder / PHOTO if wanted.photo is None else self._storage.path(wanted.photo)
        if not path.is_file():
            raise ProblemError("not_found", "photo: the file was erased", param="photo")
        return path.read_bytes()

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
