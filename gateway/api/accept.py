"""How a request becomes a job, unless its idempotency key has made one."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from gateway.api.consent import Consent
from gateway.api.early_check import EarlyCheck
from gateway.api.incoming import Incoming
from gateway.api.parts import Parts
from gateway.jobs.inputs import FEATURES, PORTRAIT, SPEECH, VideoInput
from gateway.jobs.records import Job, NewJob
from gateway.jobs.workspace import Workspace
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError

FILM_PROBLEMS: Final = (
    "no_face",
    "several_faces",
    "face_too_small",
    "audio_empty",
    "audio_silent",
    "audio_too_long",
    "idempotency_mismatch",
    "consent_missing",
    "too_many_jobs",
    "compute_exhausted",
    "queue_full",
    "storage_full",
)
"""Codes that a request for a video or a narration may be refused with, beside those of its own inputs."""


def check_text(parts: Parts, text: str | None, param: str) -> None:
    """Raises ``audio_empty``, ``audio_too_long``."""
    limit = parts.settings.max_text_chars
    if text is not None and not text.strip():
        raise ProblemError("audio_empty", f"{param}: there is nothing to say", param=param)
    if text is not None and len(text) > limit:
        raise ProblemError("audio_too_long", f"{param}: {len(text)} characters; the limit is {limit}", param=param)


def text_hash(text: str) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(wanted: VideoInput, consent: Consent, **more: Any) -> str:
    """The same for the same request, whatever ids its uploads were given."""
    told = wanted.model_dump(exclude={"segment_frames", "label", "photo", PORTRAIT, SPEECH, FEATURES}) | more
    told |= {"consent": consent.model_dump(mode="json")}
    return text_hash(json.dumps(told, sort_keys=True))


async def accept(parts: Parts, mine: OwnerStore, new: NewJob, incoming: Incoming, early: EarlyCheck) -> Job:
    """The job that ``new`` describes, or the one that its key made before. Raises what ``early`` finds wrong."""
    if new.idempotency_key is not None:
        known = await run_in_threadpool(mine.job_of_key, new.idempotency_key, new.fingerprint)
        if known is not None:
            return known
    await early.run()
    job, created = await submit(parts, mine, replace(new, warnings=tuple(early.warnings)), early.hand_over)
    if created:
        incoming.keep()
    return job


async def submit(parts: Parts, mine: OwnerStore, new: NewJob, leave: Callable[[Workspace], None]) -> tuple[Job, bool]:
    """Store a job whose workspace holds what ``leave`` puts there -> (job, True), or (the one of its key, False)."""
    created = False
    try:
        await run_in_threadpool(leave, parts.storage.workspace(new.id))
        job, created = await run_in_threadpool(mine.submit, new)
    finally:
        if not created:
            await run_in_threadpool(parts.storage.remove_workspace, new.id)
    if created:
        await run_in_threadpool(parts.bell.ring, job.id)
    return job, created
