"""Jobs and files as their owner sees them: what belongs to somebody else does not exist here."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gateway.jobs.inputs import VIDEO
from gateway.jobs.records import FileRecord, Job, NewJob
from gateway.jobs.state import REPEATABLE, TERMINAL, JobStatus
from gateway.store.audit import accepted_as, append
from gateway.store.limits import QueueLimits
from gateway.store.statements import (
    change,
    end,
    erase_jobs,
    file_of,
    insert_file,
    jobs_of,
    select_file,
    select_job,
    unfinished_readers,
)
from gateway.store.tables import FILES, JOBS, USES
from services.common.errors import ProblemError


class OwnerStore:
    """The only way by which a caller of the API reaches jobs and files."""

    def __init__(self, engine: sa.Engine, owner: str, limits: QueueLimits) -> None:
        self._engine, self.owner, self._limits = engine, owner, limits

    # --- files -------------------------------------------------------------------------------------------------------

    def add_file(self, file: FileRecord) -> None:
        with self._engine.begin() as sql:
            insert_file(sql, file, self.owner)

    def file(self, file_id: str) -> FileRecord:
        """Raises ``not_found``."""
        with self._engine.connect() as sql:
            row = sql.execute(select_file().where(*self._file(file_id))).one_or_none()
        if row is None:
            raise _no_file(file_id)
        return file_of(row)

    def delete_file(self, file_id: str) -> list[str]:
        """Erase a file, the jobs that read it and what they made -> ids of all files that are gone.

        Raises ``not_found``, or ``file_in_use`` while an unfinished job reads it.
        """
        with self._engine.begin() as sql:
            if sql.execute(sa.select(FILES.c.id).where(*self._file(file_id))).scalar() is None:
                raise _no_file(file_id)
            reader = sql.execute(unfinished_readers(file_id)).scalar()
            if reader is not None:
                raise ProblemError("file_in_use", f"file {file_id!r}: job {reader} still needs it", param="id")
            readers = list(sql.execute(sa.select(USES.c.job_id).where(USES.c.file_id == file_id)).scalars())
            made = erase_jobs(sql, readers)
            sql.execute(sa.delete(FILES).where(*self._file(file_id)))
        return [file_id, *made]

    # --- jobs --------------------------------------------------------------------------------------------------------

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Store a job with its files -> (job, True); for a known idempotency key (that job, False).

        Raises ``idempotency_mismatch`` where the key was used for another request, and what ``QueueLimits`` raise.
        """
        key = new.idempotency_key
        try:
            with self._engine.begin() as sql:
                self._limits.check(sql, self.owner)
                sql.execute(
                    sa.insert(JOBS).values(
                        id=new.id,
                        kind=new.kind,
                        status=JobStatus.QUEUED,
                        stage="waiting",
                        created_at=time.time(),
                        changed_at=time.time(),
                        input=new.input,
                        warnings=list(new.warnings),
                        fingerprint=new.fingerprint,
                        idempotency_key=None if key is None else self._own_key(key),
                        woken_at=time.time(),
                        owner=self.owner,
                        retention_s=new.retention_s,
                    )
                )
                for file in new.files:
                    insert_file(sql, file, self.owner)
                for file_id in new.uses:
                    sql.execute(sa.insert(USES).values(job_id=new.id, file_id=file_id))
                append(sql, "accepted", new.id, {"kind": new.kind, "owner": self.owner} | new.audit)
        except sa.exc.IntegrityError:
            known = self.job_of_key(key, new.fingerprint) if key else None
            if known is None:
                raise
            return known, False
        return self.job(new.id), True

    def job_of_key(self, key: str, fingerprint: str) -> Job | None:
        """The job that was made with this idempotency key. Raises ``idempotency_mismatch`` on another request."""
        with self._engine.connect() as sql:
            found = jobs_of(sql, select_job().where(JOBS.c.idempotency_key == self._own_key(key)))
        if not found:
            return None
        job = found[0]
        if job.fingerprint != fingerprint:
            raise ProblemError(
                "idempotency_mismatch",
                f"Idempotency-Key {key!r} made job {job.id} from another request; use a new key for a new request",
                param="Idempotency-Key",
            )
        return job

    def job(self, job_id: str) -> Job:
        """Raises ``not_found``."""
        with self._engine.connect() as sql:
            found = jobs_of(sql, select_job().where(*self._job(job_id)))
        if not found:
            raise _no_job(job_id)
        return found[0]

    def jobs(self, *, status: JobStatus | None, kind: str | None, before: str | None, limit: int) -> list[Job]:
        """Newest first; ``before`` is the id of the last job of the page before."""
        query = select_job().where(JOBS.c.owner == self.owner).order_by(JOBS.c.id.desc()).limit(limit)
        if status is not None:
            query = query.where(JOBS.c.status == status)
        if kind is not None:
            query = query.where(JOBS.c.kind == kind)
        if before is not None:
            query = query.where(JOBS.c.id < before)
        with self._engine.connect() as sql:
            return jobs_of(sql, query)

    def changed_jobs(self, since: float, limit: int) -> list[Job]:
        """Those that changed at ``since`` (seconds since 1970) or later, the oldest change first."""
        query = (
            select_job()
            .where(JOBS.c.owner == self.owner, JOBS.c.changed_at >= since)
            .order_by(JOBS.c.changed_at)
            .limit(limit)
        )
        with self._engine.connect() as sql:
            return jobs_of(sql, query)

    def cancel(self, job_id: str, retention_s: float) -> Job:
        """A waiting job is canceled at once, a running one is asked to stop, a finished one stays as it is."""
        with self._engine.begin() as sql:
            queued = *self._job(job_id), JOBS.c.status == JobStatus.QUEUED
            if not end(sql, *queued, status=JobStatus.CANCELED, retention_s=retention_s):
                running = *self._job(job_id), JOBS.c.status == JobStatus.RUNNING, ~JOBS.c.cancel_requested
                sql.execute(change(*running, cancel_requested=True))
        return self.job(job_id)

    def repeat(self, job_id: str, new_job_id: str, hand_on: Callable[[str, str], bool]) -> Job:
        """A new job of the same input in place of one that failed or was canceled; its uploads go with the new one.

        ``hand_on(job, other)`` gives the other job what the first was asked -> was it there? Raises ``not_found``,
        ``job_not_repeatable``, and what ``QueueLimits`` raise.
        """
        handed_on = False
        try:
            with self._engine.begin() as sql:
                row = sql.execute(sa.select(JOBS).where(*self._job(job_id)).with_for_update()).one_or_none()
                if row is None:
                    raise _no_job(job_id)
                sources = _check_repeatable(sql, row)
                self._limits.check(sql, self.owner)
                self._insert_again(sql, row, new_job_id)
                sql.execute(sa.update(FILES).where(FILES.c.job_id == job_id).values(job_id=new_job_id))
                for file_id in sources:
                    sql.execute(sa.insert(USES).values(job_id=new_job_id, file_id=file_id))
                append(sql, "accepted", new_job_id, accepted_as(sql, job_id) | {"repeats": job_id})
                handed_on = hand_on(job_id, new_job_id)
                if not handed_on and _is_asked_in_private(row):
                    raise _not_repeatable(job_id, "what it was asked went with the job that was made of it before")
        except BaseException:
            if handed_on:
                hand_on(new_job_id, job_id)
            raise
        return self.job(new_job_id)

    def _insert_again(self, sql: sa.Connection, row: sa.Row[Any], new_job_id: str) -> None:
        copied = {name: row._mapping[name] for name in ("kind", "input", "fingerprint", "owner", "retention_s")}
        now = time.time()
        sql.execute(
            sa.insert(JOBS).values(
                id=new_job_id,
                status=JobStatus.QUEUED,
                stage="waiting",
                created_at=now,
                changed_at=now,
                woken_at=now,
                warnings=[],
                **copied,
            )
        )

    def delete_job(self, job_id: str) -> list[str]:
        """Erase a finished job with its file rows -> ids of those files. Raises ``not_found``, ``job_not_finished``."""
        with self._engine.begin() as sql:
            status = sql.execute(sa.select(JOBS.c.status).where(*self._job(job_id))).scalar()
            if status is None:
                raise _no_job(job_id)
            if status not in TERMINAL:
                raise ProblemError(
                    "job_not_finished", f"job {job_id!r} is {status}; cancel it before it is deleted", param="id"
                )
            return erase_jobs(sql, [job_id])

    def _file(self, file_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return FILES.c.id == file_id, FILES.c.owner == self.owner

    def _job(self, job_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return JOBS.c.id == job_id, JOBS.c.owner == self.owner

    def _own_key(self, key: str) -> str:
        """Two owners may use the same idempotency key."""
        return hashlib.sha256(f"{self.owner}\0{key}".encode()).hexdigest()


def _check_repeatable(sql: sa.Connection, job: sa.Row[Any]) -> list[str]:
    """Ids of the files that it is made of. Raises ``job_not_repeatable``."""
    sources = list(sql.execute(sa.select(USES.c.file_id).where(USES.c.job_id == job.id)).scalars())
    there = {row.id: row.job_id for row in sql.execute(sa.select(FILES).where(FILES.c.id.in_(sources)))}
    if job.status not in REPEATABLE:
        reason = f"it is {job.status}; only what failed or was canceled is made again"
    elif len(there) < len(sources):
        reason = "a file that it was made of was erased"
    elif others := set(there.values()) - {None, job.id}:
        reason = f"its files went with job {others.pop()}"
    else:
        return sources
    raise _not_repeatable(job.id, reason)


def _is_asked_in_private(job: sa.Row[Any]) -> bool:
    """Is its question in its folder, and not in its row?"""
    return job.kind != VIDEO and job.input.get("text") is None


def _not_repeatable(job_id: str, reason: str) -> ProblemError:
    return ProblemError("job_not_repeatable", f"job {job_id!r}: {reason}", param="id")


def _no_file(file_id: str) -> ProblemError:
    return ProblemError("not_found", f"file {file_id!r} does not exist", param="id")


def _no_job(job_id: str) -> Any:
    return ProblemError("not_found", f"job {job_id!r} does not exist", param="id")
