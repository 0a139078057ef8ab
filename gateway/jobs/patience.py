"""How a job bears with a service that may be busy, restarting or gone for a while, and with a disk that is full."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from gateway.storage import disk_is_full
from services.common.client import ServiceClient
from services.common.errors import ProblemError

T = TypeVar("T")

_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_SPACE_PAUSE_S: Final = 2.0

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


async def until_there_is_space(patience_s: float, work: Callable[[], Awaitable[T]]) -> T:
    """``work()``, begun again for ``patience_s`` while the disk is full. Raises ``storage_full`` after that."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return await work()
        except OSError as error:
            if not disk_is_full(error):
                raise
            if time.monotonic() > deadline:
                raise ProblemError("storage_full", f"the disk was full for {patience_s:.0f} s") from None
            log.warning("disk_full")
        await asyncio.sleep(_SPACE_PAUSE_S)
