"""The product's worker with a named point, and with one text that no process survives."""

import os
import signal
from typing import Any

from gateway.jobs.attempt import Made, Progress
from gateway.jobs.records import Job
from gateway.jobs.video import VideoMaker
from gateway.jobs.worker import celery
from tests.chaos.points import arm

POISON = "poison"

_make = VideoMaker.__call__


async def _or_die(self: Any, job: Job, progress: Progress) -> Made:
    if job.input["text"] == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    return await _make(self, job, progress)


VideoMaker.__call__ = _or_die  # type: ignore[method-assign]
arm()

__all__ = ["celery"]
