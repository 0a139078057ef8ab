"""What the public API answers about files and jobs."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.jobs.inputs import FILMS
from gateway.jobs.records import FileRecord, Job
from gateway.jobs.state import JobStatus

_FILE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "019a3c5e7f10c0ffee0123456789abcd",
    "name": "portrait.jpg",
    "media_type": "image/jpeg",
    "size_bytes": 48211,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-11-22T12:00:00Z",
    "expires_at": "2026-11-23T12:00:00Z",
}

_JOB_EXAMPLE: Final[dict[str, Any]] = {
    "id": "019a3c5e8a30c0ffee0123456789abcd",
    "kind": "video",
    "status": "running",
    "stage": "segments",
    "progress": 0.5,
    "steps_done": 3,
    "steps_total": 6,
    "queue_position": None,
    "eta_s": 6.4,
    "attempt": 1,
    "created_at": "2026-11-22T12:00:00Z",
    "started_at": "2026-11-22T12:00:01Z",
    "finished_at": None,
    "expires_at": None,
    "input": {
        "portrait": "019a3c5e7f10c0ffee0123456789abcd",
        "speech": "019a3c5e7f20c0ffee0123456789abcd",
        "text": None,
        "steps": 4,
        "seed": 0,
        "face": None,
        "still": False,
        "rest": "keep",
        "segment_frames": 25,
    },
    "output": None,
    "stream": "/v1/jobs/019a3c5e8a30c0ffee0123456789abcd/stream.m3u8",
    "captions": None,
    "warnings": [],
    "error": None,
}


class FileView(BaseModel):
    """A stored file."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FILE_EXAMPLE]})

    id: str
    name: str
    media_type: str = Field(description="told by the file's content")
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None = Field(description="null where the file goes with its job")


class JobError(BaseModel):
    """Why a job failed: what the same request would have been refused with."""

    code: str
    message: str
    param: str | None
    retryable: bool


class JobView(BaseModel):
    """A job as it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB_EXAMPLE]})

    id: str
    kind: str
    status: JobStatus
    stage: str = Field(description="waiting, starting, a stage of its kind, canceling, finished")
    progress: float = Field(ge=0, le=1)
    steps_done: int
    steps_total: int = Field(description="0 until it is known")
    queue_position: int | None = Field(description="1 is next; null unless queued")
    eta_s: float | None = Field(description="seconds until it is likely finished; null while unknown")
    attempt: int = Field(description="times a worker took it up; a graceful stop of the worker does not count")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="when job and files are erased; null until it is finished")
    input: dict[str, Any]
    output: dict[str, Any] | None = Field(description="file_id, url, media_type, size_bytes and facts of its kind")
    stream: str | None = Field(
        description="HLS playlist of a video that is being made or is finished; null until there is something to watch"
    )
    captions: str | None = Field(description="WebVTT of a video whose text is read aloud; null until it can be watched")
    warnings: list[str]
    error: JobError | None


class JobList(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")


def file_view(file: FileRecord) -> FileView:
    """As the API tells it: without where it lies, times in UTC."""
    return FileView(
        id=file.id,
        name=file.name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        created_at=_moment(file.created_at),
        expires_at=_moment(file.expires_at),
    )


def job_view(job: Job) -> JobView:
    """As the API tells it: times in UTC, seconds that are left, paths of what can be fetched."""
    canceling = job.cancel_requested and job.status is JobStatus.RUNNING
    eta_s = None if job.finish_expected_at is None else round(max(0.0, job.finish_expected_at - time.time()), 1)
    output = job.output and job.output | {"url": f"/v1/files/{job.output['file_id']}/content"}
    return JobView(
        id=job.id,
        kind=job.kind,
        status=job.status,
        stage="canceling" if canceling else job.stage,
        progress=round(job.progress, 4),
        steps_done=job.steps_done,
        steps_total=job.steps_total,
        queue_position=job.queue_position,
        eta_s=eta_s,
        attempt=job.attempt,
        created_at=_moment(job.created_at),
        started_at=_moment(job.started_at),
        finished_at=_moment(job.finished_at),
        expires_at=_moment(job.expires_at),
        input=job.input,
        output=output,
        stream=f"/v1/jobs/{job.id}/stream.m3u8" if _can_be_watched(job) else None,
        captions=f"/v1/jobs/{job.id}/captions.vtt" if _can_be_watched(job) and job.input["speech"] is None else None,
        warnings=job.warnings,
        error=None if job.error is None else JobError.model_validate(job.error),
    )


def _can_be_watched(job: Job) -> bool:
    """The steps of a video are its segments; a job that waits for another worker keeps those it has."""
    return job.kind in FILMS and job.steps_done > 0 and job.status not in (JobStatus.FAILED, JobStatus.CANCELED)


def _moment(seconds: float | None) -> Any:
    """Seconds since 1970 as a UTC time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
