"""/v1/jobs/events and /v1/jobs/{id}/events: jobs as they change, by server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from gateway.api.parts import Mine
from gateway.api.problems import problems
from gateway.api.schemas import job_view
from gateway.jobs.records import Job
from gateway.jobs.state import TERMINAL
from gateway.store.owners import OwnerStore
from services.common.errors import ProblemError

_LOOK_S: Final = 0.25
_LOOK_AT_ALL_S: Final = 0.5
_HEARTBEAT_S: Final = 10.0
_AT_ONCE: Final = 200
_LATE_S: Final = 2.0
"""A change may become visible this long after its time: its transaction was slow, or its writer's clock is late."""

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="the last id seen")]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


def _told(example: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "description": "server-sent events `job`, each with the whole job as data",
            "content": {"text/event-stream": {"example": example}},
        }
    }


@router.get(
    "/events",
    summary="Follow all jobs",
    response_class=StreamingResponse,
    responses=problems() | _told('id: 1795615200.25\nevent: job\ndata: {"status": "running", ...}\n\n'),
)
async def all_events(mine: Mine, request: Request, last_event_id: LastEventId = None) -> StreamingResponse:
    """The caller's jobs as they are made and change from now on, or since `Last-Event-ID`: what changed in the two
    seconds before a break may be told again. Erased ones go silently."""
    since = time.time() if last_event_id is None else _moment(last_event_id) - _LATE_S
    return _stream(_follow_all(mine, since, request))


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses=problems("not_found")
    | _told('id: 7\nevent: job\ndata: {"status": "running", ...}\n\n')
    | {204: {"description": "the job is finished and the caller has seen it: do not come back"}},
)
async def events(job_id: str, mine: Mine, request: Request, last_event_id: LastEventId = None) -> Response:
    """The job as it changes; the stream ends with the job. After a break, send `Last-Event-ID`: nothing is told
    twice."""
    job = await run_in_threadpool(mine.job, job_id)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    if job.status in TERMINAL and job.version <= seen:
        return Response(status_code=204)
    return _stream(_follow(mine, job, seen, request))


def _stream(told: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(told, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _moment(last_event_id: str) -> float:
    try:
        return float(last_event_id)
    except ValueError:
        raise ProblemError(
            "invalid_request",
            f"Last-Event-ID: it is {last_event_id[:40]!r} and not an id of this stream",
            param="Last-Event-ID",
        ) from None


def _event(number: object, job: Job) -> str:
    return f"id: {number}\nevent: job\ndata: {job_view(job).model_dump_json()}\n\n"


async def _follow(mine: OwnerStore, job: Job, seen: int, request: Request) -> AsyncIterator[str]:
    told = time.monotonic()
    while True:
        if job.version > seen:
            seen, told = job.version, time.monotonic()
            yield _event(seen, job)
        elif time.monotonic() - told > _HEARTBEAT_S:
            told = time.monotonic()
            yield ": still here\n\n"
        if job.status in TERMINAL or await request.is_disconnected():
            return
        await asyncio.sleep(_LOOK_S)
        try:
            job = await run_in_threadpool(mine.job, job.id)
        except ProblemError:  # erased meanwhile
            return


async def _follow_all(mine: OwnerStore, since: float, request: Request) -> AsyncIterator[str]:
    """Looks back a little each time, so that a late change is not missed; what was told is not told again."""
    first = since
    versions: dict[str, tuple[float, int]] = {}
    told = 0.0  # the first word goes out at once: it tells the caller that the stream is open
    while not await request.is_disconnected():
        start, more = max(first, since - _LATE_S), True
        while more:
            changes = await run_in_threadpool(mine.changed_jobs, start, _AT_ONCE)
            for job in changes:
                if versions.get(job.id, (0.0, 0))[1] < job.version:
                    versions[job.id] = job.changed_at, job.version
                    since, told = max(since, job.changed_at), time.monotonic()
                    yield _event(f"{job.changed_at:.6f}", job)
            more = len(changes) == _AT_ONCE and changes[-1].changed_at > start
            start = changes[-1].changed_at if more else start
        if time.monotonic() - told > _HEARTBEAT_S:
            told = time.monotonic()
            yield ": still here\n\n"
        versions = {name: at for name, at in versions.items() if at[0] >= since - _LATE_S}
        await asyncio.sleep(_LOOK_AT_ALL_S)
