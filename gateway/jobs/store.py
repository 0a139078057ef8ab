"""The truth about jobs and files, in SQL (SQLite in WAL mode, or PostgreSQL). The only SQL of the project.

Each method is one transaction. A change of a running job is a compare-and-set on its fence, so that a worker whose
lease ran out and whose job went to another can neither report nor publish.
"""

import time
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.jobs.records import FileRecord, Job, NewJob
from gateway.jobs.state import TERMINAL, UNFINISHED, JobStatus, sources
from services.common.errors import ProblemError

_META = sa.MetaData()

_JOBS = sa.Table(
    "jobs",
    _META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False, default=""),
    sa.Column("progress", sa.Double, nullable=False, default=0.0),
    sa.Column("steps_done", sa.Integer, nullable=False, default=0),
    sa.Column("steps_total", sa.Integer, nullable=False, default=0),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("fence", sa.Integer, nullable=False, default=0),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("expires_at", sa.Double),
    sa.Column("finish_expected_at", sa.Double),
    sa.Column("lease_until", sa.Double),
    sa.Column("woken_at", sa.Double),
    sa.Column("input", sa.JSON, nullable=False),
    sa.Column("output", sa.JSON(none_as_null=True)),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("idempotency_key", sa.String(255), unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Index("jobs_by_status", "status", "id"),
)

_FILES = sa.Table(
    "files",
    _META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("media_type", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), index=True),
)

_USES = sa.Table(
    "job_files",
    _META,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("file_id", sa.String(32), primary_key=True, index=True),
)

_INTERNAL: Final = {"lease_until", "woken_at", "idempotency_key"}
_COLUMNS: Final = [column for column in _JOBS.c if column.name not in _INTERNAL]


class Lease(Enum):
    """What a heartbeat learns."""

    HELD = "held"
    CANCEL = "cancel"  # held, and the owner asks to stop
    LOST = "lost"  # another worker has the job, or it is over


class JobStore:
    """Jobs and files in the database at ``url`` (an SQLAlchemy URL)."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)

    def create_schema(self) -> None:
        with self._engine.begin() as sql:
            for table in _META.sorted_tables:
                sql.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    sql.execute(CreateIndex(index, if_not_exists=True))

    def ping(self) -> None:
        """Raises ``sqlalchemy.exc.SQLAlchemyError`` where the database cannot be reached."""
        with self._engine.connect() as sql:
            sql.execute(sa.select(1))

    def close(self) -> None:
        self._engine.dispose()

    # --- files -------------------------------------------------------------------------------------------------------

    def add_file(self, file: FileRecord) -> None:
        with self._engine.begin() as sql:
            _insert_file(sql, file)

    def file(self, file_id: str) -> FileRecord:
        with self._engine.connect() as sql:
            row = sql.execute(sa.select(_FILES).where(_FILES.c.id == file_id)).one_or_none()
        if row is None:
            raise ProblemError("not_found", f"file {file_id!r} does not exist", param="id")
        return FileRecord(**row._mapping)

    def delete_file(self, file_id: str) -> None:
        """Raises ``not_found``, or ``file_in_use`` while an unfinished job reads it."""
        with self._engine.begin() as sql:
            reader = sql.execute(_unfinished_readers(file_id)).scalar()
            if reader is not None:
                raise ProblemError("file_in_use", f"file {file_id!r}: job {reader} still needs it", param="id")
            if sql.execute(sa.delete(_FILES).where(_FILES.c.id == file_id)).rowcount == 0:
                raise ProblemError("not_found", f"file {file_id!r} does not exist", param="id")

    def known_files(self, file_ids: Sequence[str]) -> set[str]:
        """Those of ``file_ids`` that have a row."""
        with self._engine.connect() as sql:
            return set(sql.execute(sa.select(_FILES.c.id).where(_FILES.c.id.in_(file_ids))).scalars())

    # --- the caller's side -------------------------------------------------------------------------------------------

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Store a job with its files -> (job, True); for a known idempotency key (that job, False).

        Raises ``idempotency_mismatch`` where the key was used for another request.
        """
        try:
            with self._engine.begin() as sql:
                sql.execute(
                    sa.insert(_JOBS).values(
                        id=new.id,
                        kind=new.kind,
                        status=JobStatus.QUEUED,
                        stage="waiting",
                        created_at=time.time(),
                        input=new.input,
                        warnings=list(new.warnings),
                        fingerprint=new.fingerprint,
                        idempotency_key=new.idempotency_key,
                        woken_at=time.time(),
                    )
                )
                for file in new.files:
                    _insert_file(sql, file)
                for file_id in new.uses:
                    sql.execute(sa.insert(_USES).values(job_id=new.id, file_id=file_id))
        except sa.exc.IntegrityError:
            known = self.job_of_key(new.idempotency_key, new.fingerprint) if new.idempotency_key else None
            if known is None:
                raise
            return known, False
        return self.job(new.id), True

    def job_of_key(self, key: str, fingerprint: str) -> Job | None:
        """The job that was made with this idempotency key. Raises ``idempotency_mismatch`` on another request."""
        with self._engine.connect() as sql:
            row = sql.execute(_select_job().where(_JOBS.c.idempotency_key == key)).one_or_none()
        if row is None:
            return None
        job = _job(row)
        if job.fingerprint != fingerprint:
            raise ProblemError(
                "idempotency_mismatch",
                f"Idempotency-Key {key!r} made job {job.id} from another request; use a new key for a new request",
                param="Idempotency-Key",
            )
        return job

    def job(self, job_id: str) -> Job:
        with self._engine.connect() as sql:
            row = sql.execute(_select_job().where(_JOBS.c.id == job_id)).one_or_none()
        if row is None:
            raise ProblemError("not_found", f"job {job_id!r} does not exist", param="id")
        return _job(row)

    def jobs(self, *, status: JobStatus | None, kind: str | None, before: str | None, limit: int) -> list[Job]:
        """Newest first; ``before`` is the id of the last job of the page before."""
        query = _select_job().order_by(_JOBS.c.id.desc()).limit(limit)
        if status is not None:
            query = query.where(_JOBS.c.status == status)
        if kind is not None:
            query = query.where(_JOBS.c.kind == kind)
        if before is not None:
            query = query.where(_JOBS.c.id < before)
        with self._engine.connect() as sql:
            return [_job(row) for row in sql.execute(query)]

    def cancel(self, job_id: str, retention_s: float) -> Job:
        """A waiting job is canceled at once, a running one is asked to stop, a finished one stays as it is."""
        with self._engine.begin() as sql:
            queued = _JOBS.c.id == job_id, _JOBS.c.status == JobStatus.QUEUED
            if sql.execute(_change(*queued, **_finish(JobStatus.CANCELED, retention_s))).rowcount == 0:
                running = _JOBS.c.id == job_id, _JOBS.c.status == JobStatus.RUNNING, ~_JOBS.c.cancel_requested
                sql.execute(_change(*running, cancel_requested=True))
        return self.job(job_id)

    def delete_job(self, job_id: str) -> list[str]:
        """Erase a finished job with its file rows -> ids of those files. Raises ``not_found``, ``job_not_finished``."""
        with self._engine.begin() as sql:
            status = sql.execute(sa.select(_JOBS.c.status).where(_JOBS.c.id == job_id)).scalar()
            if status is None:
                raise ProblemError("not_found", f"job {job_id!r} does not exist", param="id")
            if status not in TERMINAL:
                raise ProblemError(
                    "job_not_finished", f"job {job_id!r} is {status}; cancel it before it is deleted", param="id"
                )
            return _erase(sql, [job_id])

    # --- the worker's side -------------------------------------------------------------------------------------------

    def claim(self, job_id: str, *, lease_s: float, max_attempts: int) -> Job | None:
        """Take a waiting job, or a running one whose lease ran out: attempt + 1, new fence. None where not free."""
        now = time.time()
        statement = (
            sa.update(_JOBS)
            .where(_JOBS.c.id == job_id, _JOBS.c.status.in_(sources(JobStatus.RUNNING)))
            .where(sa.or_(_JOBS.c.status == JobStatus.QUEUED, _JOBS.c.lease_until < now))
            .where(_JOBS.c.attempt < max_attempts, ~_JOBS.c.cancel_requested)
            .values(
                status=JobStatus.RUNNING,
                stage="starting",
                attempt=_JOBS.c.attempt + 1,
                fence=_JOBS.c.fence + 1,
                version=_JOBS.c.version + 1,
                lease_until=now + lease_s,
                started_at=sa.func.coalesce(_JOBS.c.started_at, now),
                progress=0.0,
                steps_done=0,
                steps_total=0,
            )
        )
        with self._engine.begin() as sql:
            if sql.execute(statement).rowcount == 0:
                return None
            return _job(sql.execute(_select_job().where(_JOBS.c.id == job_id)).one())

    def heartbeat(self, job_id: str, fence: int, *, lease_s: float) -> Lease:
        """Renew the lease and learn whether to go on."""
        with self._engine.begin() as sql:
            renewed = sa.update(_JOBS).where(*_held(job_id, fence)).values(lease_until=time.time() + lease_s)
            if sql.execute(renewed).rowcount == 0:
                return Lease.LOST
            asked = sql.execute(sa.select(_JOBS.c.cancel_requested).where(_JOBS.c.id == job_id)).scalar_one()
        return Lease.CANCEL if asked else Lease.HELD

    def progress(
        self, job_id: str, fence: int, *, stage: str, steps_done: int, steps_total: int, eta_s: float | None
    ) -> bool:
        """Report ``steps_done`` of ``steps_total``. Never goes back within an attempt; False where the fence is old."""
        share = steps_done / steps_total if steps_total else 0.0
        statement = _change(
            *_held(job_id, fence),
            _JOBS.c.steps_done <= steps_done,
            stage=stage,
            steps_done=steps_done,
            steps_total=steps_total,
            progress=sa.case((_JOBS.c.progress > share, _JOBS.c.progress), else_=share),
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
        statement = _change(
            *_held(job_id, fence),
            ~_JOBS.c.cancel_requested,
            **_finish(JobStatus.SUCCEEDED, retention_s),
            output=output,
            warnings=warnings,
            progress=1.0,
            steps_done=_JOBS.c.steps_total,
        )
        with self._engine.begin() as sql:
            if sql.execute(statement).rowcount == 0:
                return False
            _insert_file(sql, file)
        return True

    def fail(self, job_id: str, fence: int, error: dict[str, Any], retention_s: float) -> bool:
        """running -> failed; False for an old fence."""
        with self._engine.begin() as sql:
            statement = _change(*_held(job_id, fence), **_finish(JobStatus.FAILED, retention_s), error=error)
            return sql.execute(statement).rowcount == 1

    def confirm_cancel(self, job_id: str, fence: int, retention_s: float) -> bool:
        """running -> canceled, by the worker that has stopped; False for an old fence."""
        with self._engine.begin() as sql:
            statement = _change(*_held(job_id, fence), **_finish(JobStatus.CANCELED, retention_s))
            return sql.execute(statement).rowcount == 1

    def release(self, job_id: str, fence: int) -> bool:
        """running -> queued by a worker that stops in good order: this attempt does not count."""
        statement = _change(
            *_held(job_id, fence),
            status=JobStatus.QUEUED,
            stage="waiting",
            attempt=_JOBS.c.attempt - 1,
            lease_until=None,
            woken_at=None,
            finish_expected_at=None,
        )
        with self._engine.begin() as sql:
            return sql.execute(statement).rowcount == 1

    # --- the reconciler's side ---------------------------------------------------------------------------------------

    def settle_lost(self, *, max_attempts: int, error: dict[str, Any], retention_s: float) -> int:
        """Jobs whose worker is gone and which shall not run again: canceled where asked, failed with ``error``."""
        lost = _JOBS.c.status == JobStatus.RUNNING, _JOBS.c.lease_until < time.time()
        with self._engine.begin() as sql:
            canceled = _change(*lost, _JOBS.c.cancel_requested, **_finish(JobStatus.CANCELED, retention_s))
            failed = _change(
                *lost, _JOBS.c.attempt >= max_attempts, **_finish(JobStatus.FAILED, retention_s), error=error
            )
            return int(sql.execute(canceled).rowcount + sql.execute(failed).rowcount)

    def queue_length(self) -> int:
        with self._engine.connect() as sql:
            query = sa.select(sa.func.count()).where(_JOBS.c.status == JobStatus.QUEUED)
            return int(sql.execute(query).scalar_one())

    def waiting(self, *, woken_before: float, limit: int) -> list[str]:
        """Oldest waiting jobs that were last woken before ``woken_before`` (or never)."""
        return self._sleeping(_JOBS.c.status == JobStatus.QUEUED, woken_before, limit)

    def abandoned(self, *, woken_before: float, limit: int) -> list[str]:
        """Running jobs whose lease ran out and which were last woken before ``woken_before``."""
        lost = sa.and_(_JOBS.c.status == JobStatus.RUNNING, _JOBS.c.lease_until < time.time())
        return self._sleeping(lost, woken_before, limit)

    def woken(self, job_id: str) -> None:
        """A wake-up was sent to the broker."""
        with self._engine.begin() as sql:
            sql.execute(sa.update(_JOBS).where(_JOBS.c.id == job_id).values(woken_at=time.time()))

    def unfinished(self, job_ids: Sequence[str]) -> set[str]:
        """Those of ``job_ids`` that wait or run."""
        with self._engine.connect() as sql:
            query = sa.select(_JOBS.c.id).where(_JOBS.c.id.in_(job_ids), _JOBS.c.status.in_(list(UNFINISHED)))
            return set(sql.execute(query).scalars())

    def erase_expired(self) -> list[str]:
        """Erase finished jobs and unused files past their expiry -> ids of the files to remove."""
        now = time.time()
        with self._engine.begin() as sql:
            jobs = sql.execute(
                sa.select(_JOBS.c.id).where(_JOBS.c.status.in_(list(TERMINAL)), _JOBS.c.expires_at < now)
            ).scalars()
            files = _erase(sql, list(jobs))
            free = sa.select(_FILES.c.id).where(_FILES.c.expires_at < now, ~_unfinished_readers(_FILES.c.id).exists())
            unused = list(sql.execute(free).scalars())
            sql.execute(sa.delete(_FILES).where(_FILES.c.id.in_(unused)))
        return files + unused

    def _sleeping(self, which: sa.ColumnElement[bool], woken_before: float, limit: int) -> list[str]:
        asleep = sa.or_(_JOBS.c.woken_at.is_(None), _JOBS.c.woken_at < woken_before)
        query = sa.select(_JOBS.c.id).where(which, asleep).order_by(_JOBS.c.id).limit(limit)
        with self._engine.connect() as sql:
            return list(sql.execute(query).scalars())


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "busy_timeout=5000", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _select_job() -> sa.Select[Any]:
    """All that ``Job`` holds; the queue position counts from 1 among the waiting jobs, oldest first."""
    other = _JOBS.alias()
    ahead = (
        sa.select(sa.func.count())
        .where(other.c.status == JobStatus.QUEUED, other.c.id <= _JOBS.c.id)
        .correlate(_JOBS)
        .scalar_subquery()
    )
    position = sa.case((_JOBS.c.status == JobStatus.QUEUED, ahead)).label("queue_position")
    return sa.select(*_COLUMNS, position)


def _job(row: sa.Row[Any]) -> Job:
    values = dict(row._mapping)
    values["status"] = JobStatus(values["status"])
    return Job(**values)


def _change(*where: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    """An update that followers of the job shall see."""
    return sa.update(_JOBS).where(*where).values(version=_JOBS.c.version + 1, **values)


def _held(job_id: str, fence: int) -> tuple[sa.ColumnElement[bool], ...]:
    return _JOBS.c.id == job_id, _JOBS.c.status == JobStatus.RUNNING, _JOBS.c.fence == fence


def _finish(status: JobStatus, retention_s: float) -> dict[str, Any]:
    now = time.time()
    return {
        "status": status,
        "stage": "finished",
        "finished_at": now,
        "expires_at": now + retention_s,
        "finish_expected_at": None,
        "lease_until": None,
    }


def _insert_file(sql: sa.Connection, file: FileRecord) -> None:
    sql.execute(sa.insert(_FILES).values(**vars(file)))


def _unfinished_readers(file_id: Any) -> sa.Select[Any]:
    return (
        sa.select(_JOBS.c.id)
        .join(_USES, _USES.c.job_id == _JOBS.c.id)
        .where(_USES.c.file_id == file_id, _JOBS.c.status.in_(list(UNFINISHED)))
        .limit(1)
    )


def _erase(sql: sa.Connection, job_ids: list[str]) -> list[str]:
    owned = list(sql.execute(sa.select(_FILES.c.id).where(_FILES.c.job_id.in_(job_ids))).scalars())
    sql.execute(sa.delete(_FILES).where(_FILES.c.job_id.in_(job_ids)))
    sql.execute(sa.delete(_USES).where(_USES.c.job_id.in_(job_ids)))
    sql.execute(sa.delete(_JOBS).where(_JOBS.c.id.in_(job_ids)))
    return owned
