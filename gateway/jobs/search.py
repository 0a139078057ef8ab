"""Prompt searches: the reasoning service goes on slice by slice, the events are kept here."""

import asyncio
import json
import time
from functools import partial
from typing import Any

from gateway.jobs.attempt import Made, PausedError, Progress
from gateway.jobs.patience import patiently
from gateway.jobs.records import Job
from gateway.jobs.workspace import QUESTION, Workspace
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.store.database import Database
from gateway.store.prompts import record_of
from services.reasoning.client import ReasoningClient
from services.reasoning.schemas import SearchProgress, SearchQuestion, SearchRequest

_EVENTS = "events.jsonl"


class PromptSearch:
    """Searches by way of the reasoning service at ``settings.reasoning_url``."""

    def __init__(self, settings: GatewaySettings, storage: Storage, database: Database) -> None:
        self._settings, self._storage, self._database = settings, storage, database

    async def __call__(self, job: Job, progress: Progress) -> Made:
        """Run the job, or what is left of it. Raises ``PausedError`` after a while: other jobs wait, too."""
        service = ReasoningClient(self._settings.reasoning_url)
        try:
            return await self._run(job, progress, service)
        finally:
            await service.close()

    async def _run(self, job: Job, progress: Progress, service: ReasoningClient) -> Made:
        kept, began = self._storage.workspace(job.id), time.monotonic()
        question = SearchQuestion.model_validate_json(await asyncio.to_thread(kept.read, QUESTION))
        events = await asyncio.to_thread(_events, kept)
        while True:
            # 1. A slice of the search
            request = SearchRequest(**dict(question), events=events, slice_s=self._settings.slice_s)
            advance = partial(service.advance_search, request)
            answer = await patiently(service, self._settings.service_patience_s, advance)
            # 2. What happened in it is kept before anything else
            events += answer.events
            lines = "".join(json.dumps(event) + "\n" for event in events)
            await asyncio.to_thread(kept.write, _EVENTS, lines.encode())
            await progress(_stage(answer), answer.step, answer.steps, _eta_s(answer))
            # 3. The end, or a place in the queue again
            if answer.outcome is not None:
                return await asyncio.to_thread(self._made, job, kept, answer)
            if time.monotonic() - began > self._settings.pause_after_s:
                raise PausedError

    def _made(self, job: Job, kept: Workspace, answer: SearchProgress) -> Made:
        assert answer.outcome is not None and answer.report is not None and answer.prompt is not None  # noqa: S101
        found = answer.outcome
        record = record_of(
            job.id,  # a search that ends twice makes one prompt
            found["taxonomy"],
            answer.prompt,
            parent=found["start"]["identity"],
            model=found["model"],
            figures=found["test"],
        )
        if job.input["taxonomy"] in ("pisc", "pipa"):
            self._database.prompts_of(job.owner).add(record)
        kept.write("report.html", answer.report.encode())
        facts = found | {"prompt_id": record.id}
        return Made("report.html", "report.html", "text/html", facts, [])


def _events(kept: Workspace) -> list[dict[str, Any]]:
    """What happened so far."""
    try:
        return [json.loads(line) for line in kept.read(_EVENTS).splitlines()]
    except FileNotFoundError:
        return []


def _stage(answer: SearchProgress) -> str:
    if answer.outcome is not None:
        return "report"
    if answer.loss is None or answer.best_loss is None:
        return "search"
    return f"loss {answer.loss:.3f}, best {answer.best_loss:.3f}"


def _eta_s(answer: SearchProgress) -> float | None:
    return answer.seconds / answer.step * (answer.steps - answer.step) if answer.step else None
