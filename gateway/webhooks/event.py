"""What a webhook says: that a job is over, and how. Nothing of what the job was about."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from gateway.jobs.state import JobStatus


class Event(StrEnum):
    """What a webhook hears of: the three ends of a job."""

    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"


class MessageState(StrEnum):
    """Of a message to one webhook; the last after a day of tries."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


def event_of(status: str) -> Event:
    """The event that a job's final ``status`` is."""
    return {
        JobStatus.SUCCEEDED: Event.SUCCEEDED,
        JobStatus.FAILED: Event.FAILED,
        JobStatus.CANCELED: Event.CANCELED,
    }[JobStatus(status)]


def body_of(job_id: str, kind: str, status: str, finished_at: float, error: dict[str, Any] | None) -> str:
    """The JSON that is signed and sent, the same at every try. An error's message may quote a caller: it stays here."""
    data = {
        "id": job_id,
        "kind": kind,
        "status": status,
        "error": None if error is None else {name: error[name] for name in ("code", "param", "retryable")},
        "url": f"/v1/jobs/{job_id}",
    }
    moment = datetime.fromtimestamp(finished_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event_of(status), "timestamp": moment, "data": data}, separators=(",", ":"))
