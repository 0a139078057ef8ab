"""How much may wait, and how much one owner may ask for."""

import time
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.jobs.state import UNFINISHED, JobStatus
from gateway.store.tables import JOBS
from services.common.errors import ProblemError

_DAY_S: Final = 86400.0
_UNKNOWN_S: Final = 30.0
"""How long a job takes before one has succeeded."""


@dataclass(frozen=True)
class QueueLimits:
    """``queued`` of all owners together, ``unfinished`` and ``compute_s_a_day`` of one. None: no limit."""

    queued: int = 10_000
    unfinished: int = 100
    compute_s_a_day: float | None = None

    def check(self, sql: sa.Connection, owner: str) -> None:
        """May ``owner`` submit another job? Raises ``queue_full``, ``too_many_jobs``, ``compute_exhausted``."""
        waiting = _count(sql, JOBS.c.status == JobStatus.QUEUED)
        if waiting >= self.queued:
            raise ProblemError(
                "queue_full", f"{waiting} jobs wait already; the limit is {self.queued}", retry_after_s=_job_s(sql)
            )
        mine = _count(sql, JOBS.c.owner == owner, JOBS.c.status.in_(list(UNFINISHED)))
        if mine >= self.unfinished:
            raise ProblemError(
                "too_many_jobs",
                f"{mine} of your jobs are not finished; the limit is {self.unfinished}",
                retry_after_s=_job_s(sql),
            )
        if self.compute_s_a_day is not None:
            self._check_compute(sql, owner, self.compute_s_a_day)

    def _check_compute(self, sql: sa.Connection, owner: str, limit_s: float) -> None:
        since = time.time() - _DAY_S
        recent = JOBS.c.owner == owner, JOBS.c.started_at > since
        spent = sa.func.coalesce(JOBS.c.finished_at, time.time()) - JOBS.c.started_at
        used_s, first = sql.execute(sa.select(sa.func.sum(spent), sa.func.min(JOBS.c.started_at)).where(*recent)).one()
        if used_s is not None and used_s >= limit_s:
            raise ProblemError(
                "compute_exhausted",
                f"your jobs computed for {used_s:.0f} s within a day; the limit is {limit_s:.0f} s",
                retry_after_s=max(1.0, first - since),
            )


def _count(sql: sa.Connection, *where: Any) -> int:
    return int(sql.execute(sa.select(sa.func.count()).select_from(JOBS).where(*where)).scalar_one())


def _job_s(sql: sa.Connection) -> float:
    """Seconds until a place is likely free: how long jobs took on average."""
    took = sa.func.avg(JOBS.c.finished_at - JOBS.c.started_at)
    return float(sql.execute(sa.select(took).where(JOBS.c.status == JobStatus.SUCCEEDED)).scalar() or _UNKNOWN_S)
