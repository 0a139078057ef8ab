"""Jobs as workers and the reconciler see them, whoever owns them.

A change of a running job is a compare-and-set on its fence, so that a worker whose lease ran out and whose job went to
another can neither report nor publish.
"""

import time
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa

from gateway.jobs.records import FileRecord, Job
from gateway.jobs.state import TERMINAL, JobStatus, sources
from gateway.store.audit import append
from gateway.store.statements import change, end, erase_jobs, insert_file, jobs_of, select_job, unfinished_readers
from gateway.store.tables import FILES, JOBS

_AT_ONCE: Final = 1000
"""Databases bound the variables of a statement, and a long transaction keeps all others waiting."""


class Lease(Enum):
    """What a heartbeat learns."""

    HELD = "held"
    CANCEL = "cancel"  # held, and the owner asks to stop
    LOST = "lost"  # another worker has the job, or it is over


class JobStore:
    """Jobs and files of all owners, for workers and the reconciler."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def status(self, job_id: str) -> JobStatus | None:
        """None where the job was erased."""
        with self._engine.connect() as sql:
            status = sql.execute(sa.select(JOBS.c.status).where(JOBS.c.id == job_id)).scalar()
        return None if status is None else JobStatus(status)

    def known_files(self, file_ids: Sequence[str]) -> set[str]:
        """Those of ``file_ids`` that have a row."""
        with self._engine.connect() as sql:
            return set(sql.execute(sa.select(FILES.c.id).where(FILES.c.id.in_(file_ids))).scalars())

    # --- the worker's side -------------------------------------------------------------------------------------------

    def claim(self, job_id: str, *, lease_s: float, max_attempts: int) -> Job | None:
        """Take a waiting job, or a running one whose lease ran out: attempt + 1, new fence. None where not free."""
        now = time.time()
        statement = change(
            JOBS.c.id == job_id,
            JOBS.c.status.in_(sources(JobStatus.RUNNING)),
            sa.or_(JOBS.c.status == JobStatus.QUEUED, JOBS.c.lease_until < now),
            JOBS.c.attempt < max_attempts,
            ~JOBS.c.cancel_requested,
            status=JobStatus.RUNNING,
            stage="starting",
            attempt=JOBS.c.attempt + 1,
            fence=JOBS.c.fence + 1,
            lease_until=now + lease_s,
            started_at=sa.func.coalesce(JOBS.c.started_at, now),
            progress=0.0,
            steps_done=0,
            steps_total=0,
        )
        with self._engine.begin() as sql:
            if sql.execute(statement).rowcount == 0:
                return None
            return jobs_of(sql, select_job().where(JOBS.c.id == job_id))[0]

    def heartbeat(self, job_id: str, fence: int, *, lease_s: float) -> Lease:
        """Renew the lease and learn whether to go on."""
        with self._engine.begin() as sql:
            renewed = sa.update(JOBS).where(*_held(job_id, fence)).values(lease_until=time.time() + lease_s)
            if sql.execute(renewed).rowcount == 0:
                return Lease.LOST
            asked = sql.execute(sa.select(JOBS.c.cancel_requested).where(JOBS.c.id == job_id)).scalar_one()
        return Lease.CANCEL if asked else Lease.HELD

    def progress(
        self, job_id: str, fence: int, *, stage: str, steps_done: int, steps_total: int, eta_s: float | None
    ) -> bool:
        """Report ``steps_done`` of ``steps_total``. Never goes back within an attempt; False where the fence is old."""
        share = steps_done / steps_total if steps_total else 0.0
        statement = change(
            *_held(job_id, fence),
            JOBS.c.steps_done <= steps_done,
            stage=stage,
            steps_done=steps_done,
            steps_total=steps_total,
            progress=sa.case((JOBS.c.progress > share, JOBS.c.progress), else_=share),
            finish_expected_at=None if eta_s is None else time.time() + eta_s,
        )
        with self._engine.begin() as sql:
            return sql.execute(statement).rowcount == 1

    def publish(
        self,
        job_id: str,
        fence: int,
        *,
        output: dict[str, Any],
        warnings: list[str],
        file: FileRecord,
        retention_s: float,
    ) -> bool:
        """running -> succeeded together with its file; False (and nothing stored) for an old fence or a cancel."""
        with self._engine.begin() as sql:
            ended = end(
                sql,
                *_held(job_id, fence),
                ~JOBS.c.cancel_requested,
                status=JobStatus.SUCCEEDED,
                retention_s=retention_s,
                output=output,
                warnings=warnings,
                progress=1.0,
                steps_done=JOBS.c.steps_total,
            )
            if not ended:
                return False
            owner = sql.execute(sa.select(JOBS.c.owner).where(JOBS.c.id == job_id)).scalar_one()
            insert_file(sql, file, owner)
            append(sql, "succeeded", job_id, {"result": file.sha256})
        return True

    def fail(self, job_id: str, fence: int, error: dict[str, Any], retention_s: float) -> bool:
        """running -> failed; False for an old fence."""
        with self._engine.begin() as sql:
            held = _held(job_id, fence)
            return bool(end(sql, *held, status=JobStatus.FAILED, retention_s=retention_s, error=error))

    def confirm_cancel(self, job_id: str, fence: int, retention_s: float) -> bool:
        """running -> canceled, by the worker that has stopped; False for an old fence."""
        with self._engine.begin() as sql:
            return bool(end(sql, *_held(job_id, fence), status=JobStatus.CANCELED, retention_s=retention_s))

    def release(self, job_id: str, fence: int) -> bool:
        """running -> queued by a worker that stops in good order: this attempt does not count."""
        statement = change(
            *_held(job_id, fence),
            status=JobStatus.QUEUED,
            stage="waiting",
            attempt=JOBS.c.attempt - 1,
            lease_until=None,
            woken_at=None,
            finish_expected_at=None,
        )
        with self._engine.begin() as sql:
            return sql.execute(statement).rowcount == 1

    # --- the reconciler's side ---------------------------------------------------------------------------------------

    def settle_lost(self, *, max_attempts: int, error: dict[str, Any], retention_s: float) -> list[str]:
        """End jobs whose worker is gone and which shall not run again, canceled where asked, failed with ``error`` ->
        their ids."""
        lost = JOBS.c.status == JobStatus.RUNNING, JOBS.c.lease_until < time.time()
        with self._engine.begin() as sql:
            asked, spent = (*lost, JOBS.c.cancel_requested), (*lost, JOBS.c.attempt >= max_attempts)
            canceled = end(sql, *asked, status=JobStatus.CANCELED, retention_s=retention_s)
            failed = end(sql, *spent, status=JobStatus.FAILED, retention_s=retention_s, error=error)
            return canceled + failed

    def queue_length(self) -> int:
        with self._engine.connect() as sql:
            query = sa.select(sa.func.count()).where(JOBS.c.status == JobStatus.QUEUED)
            return int(sql.execute(query).scalar_one())

    def waiting(self, *, woken_before: float, limit: int) -> list[str]:
        """Oldest waiting jobs that were last woken before ``woken_before`` (or never)."""
        return self._sleeping(JOBS.c.status == JobStatus.QUEUED, woken_before, limit)

    def abandoned(self, *, woken_before: float, limit: int) -> list[str]:
        """Running jobs whose lease ran out and which were last woken before ``woken_before``."""
        lost = sa.and_(JOBS.c.status == JobStatus.RUNNING, JOBS.c.lease_until < time.time())
        return self._sleeping(lost, woken_before, limit)

    def woken(self, job_id: str) -> None:
        """A wake-up was sent to the broker."""
        with self._engine.begin() as sql:
            sql.execute(sa.update(JOBS).where(JOBS.c.id == job_id).values(woken_at=time.time()))

    def in_state(self, job_ids: Sequence[str], statuses: Iterable[JobStatus]) -> set[str]:
        """Those of ``job_ids`` whose status is one of ``statuses``."""
        among, found = list(statuses), set[str]()
        with self._engine.connect() as sql:
            for first in range(0, len(job_ids), _AT_ONCE):
                some = job_ids[first : first + _AT_ONCE]
                query = sa.select(JOBS.c.id).where(JOBS.c.id.in_(some), JOBS.c.status.in_(among))
                found |= set(sql.execute(query).scalars())
        return found

    def erase_expired(self) -> list[str]:
        """Erase finished jobs and unused files past their expiry, a number at a time -> ids of the files to remove."""
        now = time.time()
        with self._engine.begin() as sql:
            jobs = sql.execute(
                sa.select(JOBS.c.id).where(JOBS.c.status.in_(list(TERMINAL)), JOBS.c.expires_at < now).limit(_AT_ONCE)
            ).scalars()
            files = erase_jobs(sql, list(jobs))
            free = sa.select(FILES.c.id).where(FILES.c.expires_at < now, ~unfinished_readers(FILES.c.id).exists())
            unused = list(sql.execute(free.limit(_AT_ONCE)).scalars())
            sql.execute(sa.delete(FILES).where(FILES.c.id.in_(unused)))
        return files + unused

    def forget(self) -> None:
        """SQLite: let nothing that was erased live on in the log of writes. PostgreSQL does so by its autovacuum."""
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect() as sql:
                sql.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _sleeping(self, which: sa.ColumnElement[bool], woken_before: float, limit: int) -> list[str]:
        asleep = sa.or_(JOBS.c.woken_at.is_(None), JOBS.c.woken_at < woken_before)
        query = sa.select(JOBS.c.id).where(which, asleep).order_by(JOBS.c.id).limit(limit)
        with self._engine.connect() as sql:
            return list(sql.execute(query).scalars())


def _held(job_id: str, fence: int) -> tuple[sa.ColumnElement[bool], ...]:
    return JOBS.c.id == job_id, JOBS.c.status == JobStatus.RUNNING, JOBS.c.fence == fence
