"""The Celery worker: ``celery --app gateway.jobs.worker worker``."""

import asyncio
import multiprocessing
import signal
from functools import lru_cache
from typing import Any

from celery.signals import worker_process_init, worker_shutting_down

from gateway.jobs.attempt import Desk, Work, attempt
from gateway.jobs.evaluation import EvaluationRun
from gateway.jobs.inputs import EVALUATION, NARRATION, PROMPT_SEARCH, VIDEO
from gateway.jobs.narration import NarrationMaker
from gateway.jobs.queue import RUN_JOB, make_celery
from gateway.jobs.search import PromptSearch
from gateway.jobs.video import VideoMaker
from gateway.processes import send_at_parent_death
from gateway.settings import gateway_settings
from gateway.storage import Storage
from gateway.store.database import Database
from services.common.app import configure_logging
from services.common.tracing import trace_queue

_stopping = multiprocessing.Event()
"""Set by the parent when it is told to stop; inherited by its forked child, which then releases its job."""


def run_job(job_id: str) -> None:
    """Claim and run one job."""
    asyncio.run(attempt(job_id, _desk()))


@lru_cache
def _desk() -> Desk:
    """Made in the child that works, after the fork: database connections must not be shared."""
    settings = gateway_settings()
    storage = Storage.of(settings)
    database = Database(settings.sql_url)
    videos = VideoMaker(settings, storage)
    kinds: dict[str, Work] = {
        VIDEO: videos,
        NARRATION: NarrationMaker(settings, storage, videos),
        PROMPT_SEARCH: PromptSearch(settings, storage, database),
        EVALUATION: EvaluationRun(settings, storage),
    }
    return Desk(settings, database.jobs, storage, kinds, _stopping.is_set)


def _on_stop(**_: Any) -> None:
    _stopping.set()


def _on_child(**_: Any) -> None:
    configure_logging()
    trace_queue("Raconteur: worker")
    # A killed parent must not leave a child that goes on with a job nobody watches.
    send_at_parent_death(signal.SIGKILL)


celery = make_celery(gateway_settings())
celery.task(run_job, name=RUN_JOB)
worker_shutting_down.connect(_on_stop)
worker_process_init.connect(_on_child)
