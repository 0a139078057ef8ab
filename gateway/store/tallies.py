"""How many jobs ended how, and how long they waited and ran: sums that outlive the jobs, for `/metrics`.

They are counted in the transaction that ends a job, so a killed worker or gateway can neither lose nor double one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.jobs.state import UNFINISHED, JobStatus
from gateway.store.tables import JOBS, TALLIES


@dataclass(frozen=True)
class Tally:
    """Ended jobs of one kind with one end."""

    kind: str
    status: str
    jobs: int
    waited_s: float
    """From acceptance until a worker took it up; one that no worker took up waited until its end."""
    ran_s: float


@dataclass(frozen=True)
class Unfinished:
    """Jobs of one kind that wait or run."""

    kind: str
    status: str
    jobs: int


class TallyStore:
    """Reads what was counted."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def ended(self) -> list[Tally]:
        with self._engine.connect() as sql:
            return [Tally(**row._mapping) for row in sql.execute(sa.select(TALLIES))]

    def unfinished(self) -> list[Unfinished]:
        """Kinds that have none are not listed."""
        query = (
            sa.select(JOBS.c.kind, JOBS.c.status, sa.func.count().label("jobs"))
            .where(JOBS.c.status.in_(list(UNFINISHED)))
            .group_by(JOBS.c.kind, JOBS.c.status)
        )
        with self._engine.connect() as sql:
            return [Unfinished(**row._mapping) for row in sql.execute(query)]

    def longest_wait_s(self) -> float:
        """Of the jobs that wait now; 0 where none does."""
        query = sa.select(sa.func.min(JOBS.c.created_at)).where(JOBS.c.status == JobStatus.QUEUED)
        with self._engine.connect() as sql:
            oldest = sql.execute(query).scalar()
        return 0.0 if oldest is None else max(0.0, time.time() - oldest)


def tally(sql: sa.Connection, job_ids: Sequence[str]) -> None:
    """Count jobs that have just ended."""
    began = sa.func.coalesce(JOBS.c.started_at, JOBS.c.finished_at)
    query = (
        sa.select(
            JOBS.c.kind,
            JOBS.c.status,
            sa.func.count().label("jobs"),
            sa.func.sum(began - JOBS.c.created_at).label("waited_s"),
            sa.func.sum(JOBS.c.finished_at - began).label("ran_s"),
        )
        .where(JOBS.c.id.in_(job_ids))
        .group_by(JOBS.c.kind, JOBS.c.status)
    )
    for row in sql.execute(query).all():
        sql.execute(_added(sql, dict(row._mapping)))


def _added(sql: sa.Connection, counted: dict[str, Any]) -> Any:
    insert: Any = (postgresql if sql.dialect.name == "postgresql" else sqlite).insert(TALLIES).values(counted)
    summed = {name: TALLIES.c[name] + insert.excluded[name] for name in ("jobs", "waited_s", "ran_s")}
    return insert.on_conflict_do_update(index_elements=["kind", "status"], set_=summed)
