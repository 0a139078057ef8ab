"""How a job bears with a service that is busy, restarting or gone for a while, and a store that is full or away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from gateway.disk import disk_is_full
from gateway.objects.port import StoreAwayError
from services.common.client import ServiceClient
from services.common.errors import ProblemError

T = TypeVar("T")

_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_STORE_PAUSE_S: Final = 2.0

log = structlog.get_logger()


async def patiently(service: ServiceClient, patience_s: float, call: Callable[[], Awaitable[T]]) -> T:
    """``call()``; a busy service is asked again, one that died is waited for and asked ``_TRIES`` times in all.

    Raises the last problem when ``patience_s`` is over.
    """
    deadline = time.monotonic() + patience_s
    failures = 0
    while True:
        try:
            return await call()
        except ProblemError as error:
            failures += error.code != "overloaded"
            if not error.kind.retryable or failures >= _TRIES or time.monotonic() > deadline:
                raise
            log.warning("service_call_failed", code=error.code, failures=failures)
        await asyncio.sleep(_PAUSE_S)
        while not await service.ready() and time.monotonic() < deadline:
            await asyncio.sleep(_PAUSE_S)


async def until_it_is_kept(patience_s: float, work: Callable[[], Awaitable[T]]) -> T:
    """``work()``, begun again while the disk is full or the store away, until it has failed so for ``patience_s``.

    Raises ``storage_full`` or ``service_unavailable`` then.
    """
    deadline: float | None = None
    while True:
        try:
            return await work()
        except OSError as error:
            problem = _outage(error, patience_s)
            if problem is None:
                raise
            deadline = deadline or time.monotonic() + patience_s
            if time.monotonic() > deadline:
                raise problem from None
            log.warning("not_kept", code=problem.code)
        await asyncio.sleep(_STORE_PAUSE_S)


def _outage(error: OSError, patience_s: float) -> ProblemError | None:
    if isinstance(error, StoreAwayError):
        told = f"the store of files could not be reached for {patience_s:.0f} s: {error}"
        return ProblemError("service_unavailable", told)
    if disk_is_full(error):
        return ProblemError("storage_full", f"the disk was full for {patience_s:.0f} s")
    return None
