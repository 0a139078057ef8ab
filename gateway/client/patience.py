"""When a call is tried again, and after how long."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from gateway.client.call import Call, problem_of
from services.common.errors import ProblemError

_FIRST_PAUSE_S: Final = 0.5
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Patience:
    """``retries`` after the first try; who is told to come back later than ``longest_pause_s`` gives up at once."""

    retries: int = 3
    longest_pause_s: float = 60.0

    def pauses(self) -> Iterator["Pause"]:
        """One for each try; the last one allows no other."""
        for number in range(self.retries + 1):
            yield Pause(self, number)


@dataclass(frozen=True)
class Pause:
    """After try ``number``, counted from 0."""

    patience: Patience
    number: int

    def after_answer(self, call: Call[Any], response: httpx.Response) -> float | None:
        """None where the answer stands; else the seconds until the call is sent again. Raises the problem answered.

        429 and 503 say that nothing was done. After another fault only what may be sent twice is.
        """
        if not response.is_error:
            return None
        problem = problem_of(response)
        nothing_done = response.status_code in (429, 503)
        if not problem.kind.retryable or not (nothing_done or call.repeatable):
            raise problem
        return self._seconds(problem)

    def after_break(self, call: Call[Any], error: httpx.TransportError) -> float:
        """The seconds until the call is sent again. Raises ``service_unavailable``."""
        problem = away(error)
        if not (call.repeatable or isinstance(error, _NOT_SENT)):
            raise problem from error
        return self._seconds(problem)

    def _seconds(self, problem: ProblemError) -> float:
        if self.number >= self.patience.retries:
            raise problem
        told = problem.extra.get("retry_after_s")
        if told is None:  # spread, so that clients of one outage do not return together
            return float(_FIRST_PAUSE_S * 2**self.number * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        if told > self.patience.longest_pause_s:
            raise problem
        return float(told)


def away(error: httpx.TransportError) -> ProblemError:
    """Nobody answered."""
    return ProblemError("service_unavailable", f"the gateway cannot be reached: {type(error).__name__}")
