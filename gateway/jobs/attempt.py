"""One attempt at one job: claim, work under a renewed lease, publish, or say why not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from gateway.jobs.patience import until_it_is_kept
from gateway.jobs.records import Job
from gateway.objects.port import StoreAwayError
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.store.database import OUTAGES
from gateway.store.work import JobStore, Lease
from services.common.errors import ProblemError

log = structlog.get_logger()


@dataclass(frozen=True)
class Made:
    """A job's result: ``kept`` by this name in its workspace, and what is told about it."""

    kept: str
    name: str
    media_type: str
    facts: dict[str, Any]
    warnings: list[str]


class PausedError(Exception):
    """The work lets other jobs go first; what it has done is in its workspace, and the job goes back to the queue."""


class Progress:
    """Reports of one attempt to the job store."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self._store, self._job = store, job

    async def __call__(self, stage: str, steps_done: int, steps_total: int, eta_s: float | None = None) -> None:
        await asyncio.to_thread(
            self._store.progress,
            self._job.id,
            self._job.fence,
            stage=stage,
            steps_done=steps_done,
            steps_total=steps_total,
            eta_s=eta_s,
        )


Work = Callable[[Job, Progress], Awaitable[Made]]
"""One kind of job. Must come to its end soon when canceled, and keep finished parts in the job's workspace."""


@dataclass(frozen=True)
class Desk:
    """What a worker needs for any job. ``stopping`` tells that the worker shall end in good order."""

    settings: GatewaySettings
    store: JobStore
    storage: Storage
    kinds: Mapping[str, Work]
    stopping: Callable[[], bool]

    @property
    def retention_s(self) -> float:
        return self.settings.retention_hours * 3600


async def attempt(job_id: str, desk: Desk) -> None:
    """Claim and run a job. Returns at once where it is not free (a duplicate message, a finished or canceled job).

    A database that is gone raises, and so does a store that is gone when the result is published; the lease then runs
    out and the job is taken up again.
    """
    try:
        await _attempt(job_id, desk)
    finally:
        desk.storage.let_go(0)


async def _attempt(job_id: str, desk: Desk) -> None:
    settings, store = desk.settings, desk.store
    job = store.claim(job_id, lease_s=settings.lease_s, max_attempts=settings.max_attempts)
    if job is None:
        log.info("job_not_free", job_id=job_id)
        return
    structlog.contextvars.bind_contextvars(job_id=job.id, attempt=job.attempt)
    log.info("job_started", kind=job.kind)
    begin = partial(desk.kinds[job.kind], job, Progress(store, job))
    work = asyncio.ensure_future(until_it_is_kept(settings.service_patience_s, begin))
    end = await _watch(work, job, desk)
    if end is Lease.CANCEL:
        store.confirm_cancel(job.id, job.fence, desk.retention_s)
        desk.storage.strip_workspace(job.id)
    elif end is Lease.HELD:
        await _settle(work, job, desk)
    log.info("job_left", end=store.status(job.id))


async def _watch(work: asyncio.Future[Made], job: Job, desk: Desk) -> Lease | None:
    """Renew the lease until the work is done (HELD), its owner cancels, it is lost, or the worker stops (None)."""
    while True:
        done, _ = await asyncio.wait({work}, timeout=desk.settings.heartbeat_s)
        if done:
            return Lease.HELD
        try:
            lease = await asyncio.to_thread(desk.store.heartbeat, job.id, job.fence, lease_s=desk.settings.lease_s)
        except OUTAGES as error:
            log.warning("heartbeat_failed", reason=type(error).__name__)
            continue  # the lease outlives several heartbeats; publishing will tell whether it was lost
        if lease is not Lease.HELD:
            await _stop(work)
            return lease
        if desk.stopping():
            await _stop(work)
            desk.store.release(job.id, job.fence)
            return None


async def _stop(work: asyncio.Future[Made]) -> None:
    work.cancel()
    await asyncio.wait({work})


async def _settle(work: asyncio.Future[Made], job: Job, desk: Desk) -> None:
    try:
        made = work.result()
        file = desk.storage.adopt(job.id, made.kept, made.name, made.media_type)
    except PausedError:
        desk.store.release(job.id, job.fence)
        return
    except ProblemError as error:
        _fail(error, job, desk)
        return
    except (*OUTAGES, StoreAwayError):
        raise
    except Exception as error:  # any other fault of the work ends the job, visibly, and not the worker
        log.error("job_broke", exc_info=error)
        _fail(ProblemError("internal", f"the job broke: {type(error).__name__}; the log has it"), job, desk)
        return
    output = {"file_id": file.id, "media_type": file.media_type, "size_bytes": file.size_bytes} | made.facts
    published = desk.store.publish(
        job.id, job.fence, output=output, warnings=made.warnings, file=file, retention_s=desk.retention_s
    )
    if published:
        desk.storage.remove_workspace(job.id)
        return
    desk.storage.remove([file.id])
    desk.store.confirm_cancel(job.id, job.fence, desk.retention_s)  # no effect where the fence is old


def _fail(error: ProblemError, job: Job, desk: Desk) -> None:
    if desk.store.fail(job.id, job.fence, job_error(error), desk.retention_s):
        desk.storage.strip_workspace(job.id)


def job_error(error: ProblemError) -> dict[str, Any]:
    """The ``error`` object of a job."""
    return {"code": error.code, "message": error.detail, "param": error.param, "retryable": error.kind.retryable}
