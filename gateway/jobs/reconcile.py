"""Puts right what a lost message, a killed worker or a passed expiry left behind."""

import asyncio
import time
from itertools import islice

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from gateway.jobs.attempt import job_error
from gateway.jobs.queue import Bell
from gateway.jobs.state import REPEATABLE, UNFINISHED
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.store.database import Database
from services.common.errors import ProblemError

_BATCH = 100
_FORGET_LOOKS = 10
"""Erased rows leave the log of writes after so many looks: twenty seconds by default."""

_SWEEP_LOOKS = 30
"""Files without a row are looked for after so many looks: once a minute by default."""

_UNREAD_S = 60.0
"""A local copy of an object that nobody reads goes after this: it may have been erased by another gateway."""

log = structlog.get_logger()


class Reconciler:
    """Looks every ``reconcile_s``. Each step is a compare-and-set, so that any number of gateways may run one."""

    def __init__(self, settings: GatewaySettings, database: Database, storage: Storage, bell: Bell) -> None:
        self._settings, self._storage, self._bell = settings, storage, bell
        self._store, self._outbox = database.jobs, database.outbox
        self._looks = 0

    async def run(self) -> None:
        """Until canceled. Database, broker or disk may be away for a while."""
        while True:
            try:
                await asyncio.to_thread(self.reconcile)
            except (SQLAlchemyError, RedisError, OSError) as error:
                log.warning("reconcile_failed", reason=type(error).__name__)
            await asyncio.sleep(self._settings.reconcile_s)

    def reconcile(self) -> None:
        """One look."""
        lost = self._settle_lost()
        self._wake()
        self._storage.let_go(_UNREAD_S)
        for job_id in lost:
            self._storage.strip_workspace(job_id)
        self._erase()
        if self._looks % _SWEEP_LOOKS == 0:
            self._sweep()
        self._looks += 1
        if self._looks % _FORGET_LOOKS == 0:
            self._store.forget()

    def _settle_lost(self) -> list[str]:
        limit = self._settings.max_attempts
        error = ProblemError("attempts_exhausted", f"the job's worker was lost {limit} times; it is not tried again")
        settled = self._store.settle_lost(
            max_attempts=limit, error=job_error(error), retention_s=self._settings.retention_hours * 3600
        )
        if settled:
            log.warning("lost_jobs_settled", count=len(settled))
        return settled

    def _wake(self) -> None:
        before = time.time() - self._settings.rewake_s
        jobs = self._store.abandoned(woken_before=before, limit=_BATCH)
        # As many messages as waiting jobs: none was lost. Without this count a long queue would be sent over and over.
        missing = self._store.queue_length() - self._bell.waiting_messages()
        if missing > 0:
            jobs += self._store.waiting(woken_before=before, limit=min(missing, _BATCH))
        for job_id in jobs:
            if not self._bell.ring(job_id):
                return
            self._store.woken(job_id)
            log.info("job_woken", job_id=job_id)

    def _erase(self) -> None:
        self._outbox.erase_old()
        self._storage.remove(self._store.erase_expired())
        workspaces = self._storage.workspaces()
        kept = self._store.in_state(workspaces, {*UNFINISHED, *REPEATABLE})
        for job_id in set(workspaces) - kept:
            if not self._storage.is_arriving(job_id):
                self._storage.remove_workspace(job_id)

    def _sweep(self) -> None:
        """What was left by who died: all names are looked at, so this is done now and then."""
        for job_id in self._store.in_state(self._storage.workspaces(), REPEATABLE):
            if not self._storage.is_arriving(job_id):
                self._storage.strip_workspace(job_id)
        old = self._storage.old_files()
        while some := list(islice(old, _BATCH)):
            self._storage.remove(set(some) - self._store.known_files(some))
