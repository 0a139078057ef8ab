"""A job's events, put together from the lines of a stream that may break."""

from dataclasses import dataclass
from typing import Final

import httpx

from gateway.api.schemas import JobView
from gateway.client.patience import away
from gateway.jobs.state import TERMINAL, JobStatus
from services.common.errors import ProblemError

PAUSE_S: Final = 0.5
_RECONNECTS: Final = 20
"""In a row: who hears of the job in between starts to count anew."""


@dataclass
class Following:
    """``seen`` is the id of the last event, from which the next connection goes on."""

    seen: str = ""
    breaks: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self.seen} if self.seen else {}

    def hear(self, line: str) -> JobView | None:
        """The job where the line tells it."""
        if line.startswith("id: "):
            self.seen = line[4:]
        if not line.startswith("data: "):
            return None
        self.breaks = 0
        return JobView.model_validate_json(line[6:])

    def broke(self, error: httpx.TransportError) -> None:
        """Raises ``service_unavailable`` after too many breaks."""
        self.breaks += 1
        if self.breaks > _RECONNECTS:
            raise away(error) from error


def finished(job: JobView) -> bool:
    """Has the job come to its end, whatever it is?"""
    return job.status in TERMINAL


def succeeded(job: JobView) -> JobView:
    """The job, or its problem: raises the error of one that failed, ``canceled`` of one that was stopped."""
    if job.status is JobStatus.SUCCEEDED:
        return job
    if job.error is not None:
        told = job.error
        raise ProblemError.from_json({"code": told.code, "detail": told.message, "param": told.param})
    raise ProblemError("canceled", f"job {job.id} was canceled")
