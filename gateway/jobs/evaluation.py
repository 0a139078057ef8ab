"""Evaluations: the reasoning service judges labelled stories slice by slice, their scores are kept here."""

import json
import time
from functools import partial

from gateway.jobs.attempt import Made, PausedError, Progress
from gateway.jobs.patience import patiently
from gateway.jobs.records import Job
from gateway.jobs.workspace import QUESTION
from gateway.settings import GatewaySettings
from gateway.storage import Storage, write_whole
from services.reasoning.client import ReasoningClient
from services.reasoning.schemas import EvaluationRequest

_SCORES = "scores.json"


class EvaluationRun:
    """Judges by way of the reasoning service at ``settings.reasoning_url``."""

    def __init__(self, settings: GatewaySettings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage

    async def __call__(self, job: Job, progress: Progress) -> Made:
        """Run the job, or what is left of it. Raises ``PausedError`` after a while: other jobs wait, too."""
        service = ReasoningClient(self._settings.reasoning_url)
        try:
            return await self._run(job, progress, service)
        finally:
            await service.close()

    async def _run(self, job: Job, progress: Progress, service: ReasoningClient) -> Made:
        folder, began = self._storage.workspace(job.id), time.monotonic()
        question = EvaluationRequest.model_validate_json((folder / QUESTION).read_bytes())
        kept = folder / _SCORES
        scores: dict[str, list[float]] = json.loads(kept.read_bytes()) if kept.is_file() else {}
        known = len(scores)
        while True:
            request = question.model_copy(update={"scores": scores, "slice_s": self._settings.slice_s})
            advance = partial(service.advance_evaluation, request)
            answer = await patiently(service, self._settings.service_patience_s, advance)
            scores |= answer.scores
            write_whole(kept, json.dumps(scores).encode())
            spent_s = time.monotonic() - began
            left = len(question.stories) - len(scores)
            eta_s = spent_s / (len(scores) - known) * left if len(scores) > known else None
            await progress("judging", len(scores), len(question.stories), eta_s)
            if answer.evaluation is not None:
                write_whole(folder / "evaluation.json", json.dumps(answer.evaluation, indent=2).encode())
                return Made(folder / "evaluation.json", "evaluation.json", "application/json", answer.evaluation, [])
            if spent_s > self._settings.pause_after_s:
                raise PausedError
