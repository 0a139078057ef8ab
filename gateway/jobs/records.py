"""Rows of the job store as values: times are seconds since 1970 (UTC)."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from gateway.jobs.state import JobStatus


def new_id() -> str:
    """An id that sorts by creation time (milliseconds, 12 hex digits) and cannot be guessed (80 random bits)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@dataclass(frozen=True)
class FileRecord:
    """A stored file. ``job_id`` names the job with which it is erased; an uploaded file of its own has an expiry."""

    id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: float
    expires_at: float | None = None
    job_id: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as its row stands. ``fence`` grows with every claim; ``version`` with every change a reader may see."""

    id: str
    owner: str
    kind: str
    status: JobStatus
    stage: str
    progress: float
    steps_done: int
    steps_total: int
    attempt: int
    fence: int
    version: int
    cancel_requested: bool
    created_at: float
    changed_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    finish_expected_at: float | None
    input: dict[str, Any]
    output: dict[str, Any] | None
    warnings: list[str]
    error: dict[str, Any] | None
    fingerprint: str
    queue_position: int | None


@dataclass(frozen=True)
class NewJob:
    """What a caller asks for. ``files`` are stored with the job; ``uses`` are ids of all files that it reads.

    ``audit`` goes into the audit log: the consent, who asked, hashes of the inputs.
    """

    id: str
    kind: str
    input: dict[str, Any]
    fingerprint: str
    files: tuple[FileRecord, ...] = ()
    uses: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    idempotency_key: str | None = None
    audit: dict[str, Any] = field(default_factory=dict)
    retention_s: float | None = None
