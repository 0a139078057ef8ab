"""What the stores' statements have in common."""

import time
from typing import Any, Final

import sqlalchemy as sa

from gateway.jobs.records import FileRecord, Job
from gateway.jobs.state import UNFINISHED, JobStatus
from gateway.store.audit import append
from gateway.store.tables import FILES, JOBS, USES
from gateway.store.tallies import tally
from gateway.store.webhooks import announce

_INTERNAL: Final = {"lease_until", "woken_at", "idempotency_key", "retention_s"}
_JOB_COLUMNS: Final = [column for column in JOBS.c if column.name not in _INTERNAL]
_FILE_COLUMNS: Final = [column for column in FILES.c if column.name != "owner"]


def select_job() -> sa.Select[Any]:
    """What ``jobs_of`` needs of each job."""
    return sa.select(*_JOB_COLUMNS)


def jobs_of(sql: sa.Connection, query: sa.Select[Any]) -> list[Job]:
    """The jobs of a query that began as ``select_job``."""
    rows = sql.execute(query).all()
    waiting = [row.id for row in rows if row.status == JobStatus.QUEUED]
    positions = _queue_positions(sql, waiting) if waiting else {}
    return [_job_of(row, positions.get(row.id)) for row in rows]


def _job_of(row: sa.Row[Any], queue_position: int | None) -> Job:
    return Job(**dict(row._mapping) | {"status": JobStatus(row.status), "queue_position": queue_position})


def _positions() -> sa.Select[Any]:
    """From one job of a page to the next the queue is counted once; a count of its own for each would take it anew."""
    asked = (
        sa.select(JOBS.c.id, sa.func.lag(JOBS.c.id, 1, "").over(order_by=JOBS.c.id).label("before"))
        .where(JOBS.c.id.in_(sa.bindparam("ids", expanding=True)), JOBS.c.status == JobStatus.QUEUED)
        .cte("asked")
    )
    between = JOBS.c.status == JobStatus.QUEUED, JOBS.c.id > asked.c.before, JOBS.c.id <= asked.c.id
    counted = sa.select(sa.func.count()).select_from(JOBS).where(*between).correlate(asked).scalar_subquery()
    steps = sa.select(asked.c.id, counted.label("step")).cte("steps")
    return sa.select(steps.c.id, sa.func.sum(steps.c.step).over(order_by=steps.c.id))


_POSITIONS: Final = _positions()
"""Made once: it takes longer to make than to run."""


def _queue_positions(sql: sa.Connection, job_ids: list[str]) -> dict[str, int]:
    """By id, the place of those that wait among all that wait: from 1, the oldest first."""
    return {job_id: int(place) for job_id, place in sql.execute(_POSITIONS, {"ids": job_ids})}


def select_file() -> sa.Select[Any]:
    """All that ``FileRecord`` holds."""
    return sa.select(*_FILE_COLUMNS)


def file_of(row: sa.Row[Any]) -> FileRecord:
    """A row of ``select_file``."""
    return FileRecord(**row._mapping)


def insert_file(sql: sa.Connection, file: FileRecord, owner: Any) -> None:
    """Store what is known of a file; its content is stored before."""
    sql.execute(sa.insert(FILES).values(**vars(file), owner=owner))


def change(*where: sa.ColumnElement[bool], **values: Any) -> sa.Update:
    """An update of jobs that their followers shall see."""
    return sa.update(JOBS).where(*where).values(version=JOBS.c.version + 1, changed_at=time.time(), **values)


def end(
    sql: sa.Connection, *which: sa.ColumnElement[bool], status: JobStatus, retention_s: float, **values: Any
) -> list[str]:
    """Bring jobs to their end, have it announced and counted -> their ids.

    ``retention_s`` is for those that brought none of their own.
    """
    now = time.time()
    ended = change(
        *which,
        status=status,
        stage="finished",
        finished_at=now,
        expires_at=now + sa.func.coalesce(JOBS.c.retention_s, retention_s),
        finish_expected_at=None,
        lease_until=None,
        **values,
    )
    ids = list(sql.execute(ended.returning(JOBS.c.id)).scalars())
    announce(sql, ids)
    tally(sql, ids)
    return ids


def unfinished_readers(file_id: Any) -> sa.Select[Any]:
    """Ids of unfinished jobs that read a file; at most one row."""
    return (
        sa.select(JOBS.c.id)
        .join(USES, USES.c.job_id == JOBS.c.id)
        .where(USES.c.file_id == file_id, JOBS.c.status.in_(list(UNFINISHED)))
        .limit(1)
    )


def erase_jobs(sql: sa.Connection, job_ids: list[str]) -> list[str]:
    """Jobs and the files that go with them -> ids of those files."""
    for job_id in job_ids:
        append(sql, "erased", job_id, {})
    owned = list(sql.execute(sa.select(FILES.c.id).where(FILES.c.job_id.in_(job_ids))).scalars())
    sql.execute(sa.delete(FILES).where(FILES.c.job_id.in_(job_ids)))
    sql.execute(sa.delete(USES).where(USES.c.job_id.in_(job_ids)))
    sql.execute(sa.delete(JOBS).where(JOBS.c.id.in_(job_ids)))
    return owned
