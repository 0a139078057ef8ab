"""Evaluations: annotated photos are told, the reasoning service judges slice by slice, and all of it is kept here."""

import asyncio
import json
import time
from functools import partial

from gateway.jobs.attempt import Made, PausedError, Progress
from gateway.jobs.inputs import EvaluationInput
from gateway.jobs.patience import patiently
from gateway.jobs.records import Job
from gateway.jobs.telling import Telling
from gateway.jobs.workspace import QUESTION, Workspace
from gateway.settings import GatewaySettings
from gateway.storage import Storage, not_erased
from gateway.taxonomy import labels_by_number
from services.common.annotations import read_annotations
from services.common.errors import ProblemError
from services.perception.client import PerceptionClient
from services.reasoning.client import ReasoningClient
from services.reasoning.schemas import EvaluationRequest, LabelledStory

_SCORES = "scores.json"
_REPORT = "evaluation.json"


class EvaluationRun:
    """Judges by way of the reasoning service; the perception service tells the photos, if there are any."""

    def __init__(self, settings: GatewaySettings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage

    async def __call__(self, job: Job, progress: Progress) -> Made:
        """Run the job, or what is left of it. Raises ``PausedError`` after a while: other jobs wait, too."""
        kept, began = self._storage.workspace(job.id), time.monotonic()
        asked = EvaluationInput.model_validate_json(await asyncio.to_thread(kept.read, QUESTION))
        if asked.stories is not None:
            return await self._judge(kept, asked, asked.stories, progress, began)
        telling = await self._tell(kept, asked, progress, began)
        made = await self._judge(kept, asked, telling.stories, progress, began, before=len(telling.told))
        made.warnings.extend(telling.warnings)
        return made

    async def _tell(self, kept: Workspace, asked: EvaluationInput, progress: Progress, began: float) -> Telling:
        listed = read_annotations(asked.annotations or "", "annotations", labels_by_number(asked.taxonomy))
        telling = await asyncio.to_thread(Telling, kept, listed, partial(_photo, self._storage, asked))
        known, total = len(telling.told), len(listed) + sum(len(photo.pairs) for photo in listed)
        service = PerceptionClient(self._settings.perception_url)
        try:
            await progress("telling", known, total)
            async for _ in telling.photos(service, self._settings.service_patience_s):
                told, spent_s = len(telling.told), time.monotonic() - began
                await progress("telling", told, total, spent_s / (told - known) * (len(listed) - told))
                if spent_s > self._settings.pause_after_s:
                    raise PausedError
        finally:
            await service.close()
        if not telling.stories:
            raise ProblemError("invalid_request", f"photos: none can be told. {telling.warnings[0]}", param="photos")
        return telling

    async def _judge(
        self,
        kept: Workspace,
        asked: EvaluationInput,
        stories: list[LabelledStory],
        progress: Progress,
        began: float,
        *,
        before: int = 0,
    ) -> Made:
        """``before``: steps of the job that were done before the first story."""
        question = EvaluationRequest(
            stories=stories, taxonomy=asked.taxonomy, prompt=asked.prompt, stories_sha256=asked.stories_sha256
        )
        scores = await asyncio.to_thread(_scores, kept)
        known, first = len(scores), time.monotonic()
        service = ReasoningClient(self._settings.reasoning_url)
        try:
            while True:
                request = question.model_copy(update={"scores": scores, "slice_s": self._settings.slice_s})
                advance = partial(service.advance_evaluation, request)
                answer = await patiently(service, self._settings.service_patience_s, advance)
                scores |= answer.scores
                await asyncio.to_thread(kept.write, _SCORES, json.dumps(scores).encode())
                spent_s, left = time.monotonic() - first, len(stories) - len(scores)
                eta_s = spent_s / (len(scores) - known) * left if len(scores) > known else None
                await progress("judging", before + len(scores), before + len(stories), eta_s)
                if answer.evaluation is not None:
                    report = json.dumps(answer.evaluation, indent=2).encode()
                    await asyncio.to_thread(kept.write, _REPORT, report)
                    return Made(_REPORT, _REPORT, "application/json", answer.evaluation, [])
                if time.monotonic() - began > self._settings.pause_after_s:
                    raise PausedError
        finally:
            await service.close()


def _scores(kept: Workspace) -> dict[str, list[float]]:
    """Of the stories that were judged so far."""
    try:
        scores: dict[str, list[float]] = json.loads(kept.read(_SCORES))
    except FileNotFoundError:
        return {}
    return scores


def _photo(storage: Storage, asked: EvaluationInput, image: str) -> bytes:
    with not_erased(f"photos.{image}"):
        return storage.read(asked.photos[image])
