"""How a job calls a service that may be busy, restarting or gone for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from services.common.client import ServiceClient
from services.common.errors import ProblemError

T = TypeVar("T")

_TRIES: Final = 3
_PAUSE_S: Final = 0.5

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
