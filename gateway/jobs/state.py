"""The states of a job and the ways between them."""

from enum import StrEnum
from typing import Final


class JobStatus(StrEnum):
    """Where a job stands; the first two are not final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


TRANSITIONS: Final[dict[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELED}),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.RUNNING,  # another worker claims it after the lease ran out
            JobStatus.QUEUED,  # its worker stops in good order
            JobStatus.SUCCEEDED,
            JobStatus.FAILED,
            JobStatus.CANCELED,
        }
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, following in TRANSITIONS.items() if not following)
UNFINISHED: Final = frozenset(JobStatus) - TERMINAL
REPEATABLE: Final = TERMINAL - {JobStatus.SUCCEEDED}
"""A job that came to nothing can be made again."""


def sources(target: JobStatus) -> list[JobStatus]:
    """The states from which a job may become ``target``."""
    return [status for status, following in TRANSITIONS.items() if target in following]
