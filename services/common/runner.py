"""Requests take turns at a model, a bounded number waits, and work stops when its caller is gone."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from services.common.errors import ProblemError

T = TypeVar("T")

_POLL_S: Final = 0.2
"""How often a working request looks whether its caller is still there; cancel must be felt within two seconds."""

WAITING = Gauge("raconteur_model_waiting_requests", "Requests waiting for the model")
WAIT_SECONDS = Histogram("raconteur_model_wait_seconds", "Time from arrival until the model is free")
RUN_SECONDS = Histogram("raconteur_model_run_seconds", "Time that the model works on one request")
ABANDONED = Counter("raconteur_model_abandoned_requests_total", "Requests whose caller went away before the answer")


class Caller(Protocol):
    """The one thing the runner asks of a request."""

    async def is_disconnected(self) -> bool: ...


class Stop:
    """Handed to the work; ``check()`` raises ``canceled`` once the caller is gone. Call it between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        self._event.set()

    def check(self) -> None:
        if self._event.is_set():
            raise ProblemError("canceled", "the caller closed the connection before the answer was ready")


class ModelRunner:
    """Runs work in order of arrival; at most ``queue_length`` requests wait.

    One thread, unless the work is made for ``threads`` of them.
    """

    def __init__(self, queue_length: int, threads: int = 1) -> None:
        self._queue_length = queue_length
        self._waiting = 0
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="model")

    async def run(self, caller: Caller, work: Callable[[Stop], T]) -> T:
        """``work(stop)`` in the model's thread. Raises ``overloaded`` (503) when too many requests wait already."""
        if self._waiting >= self._queue_length:
            raise ProblemError("overloaded", f"{self._waiting} requests wait already; try again in a few seconds")
        stop = Stop()
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        started: list[float] = []

        def turn() -> T:
            started.append(loop.time())
            stop.check()
            return work(stop)

        self._waiting += 1
        WAITING.set(self._waiting)
        try:
            future = loop.run_in_executor(self._executor, turn)
            while not (await asyncio.wait({future}, timeout=_POLL_S))[0]:
                if await caller.is_disconnected():
                    ABANDONED.inc()
                    stop.request()
            return future.result()
        except asyncio.CancelledError:
            stop.request()
            raise
        finally:
            self._waiting -= 1
            WAITING.set(self._waiting)
            if started:
                WAIT_SECONDS.observe(started[0] - arrived)
                RUN_SECONDS.observe(loop.time() - started[0])

    def close(self) -> None:
        """Let the running work end and take no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)
