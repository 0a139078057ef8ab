"""How many requests a key may make in a minute. Counted by each gateway process for itself."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

_WINDOW_S: Final = 60


@dataclass(frozen=True)
class Standing:
    """What is left of an allowance, and the seconds until it is whole again."""

    quota: int
    left: int
    reset_s: int

    @property
    def exceeded(self) -> bool:
        return self.left < 0

    def headers(self) -> dict[str, str]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"requests";q={self.quota};w={_WINDOW_S}',
            "RateLimit": f'"requests";r={max(0, self.left)};t={self.reset_s}',
        }


class Allowance:
    """``quota`` requests for each key in each minute of the clock."""

    def __init__(self, quota: int) -> None:
        self._quota, self._window, self._used = quota, 0, Counter[str]()

    def take(self, key_id: str) -> Standing:
        """Count one request."""
        now = time.time()
        window = int(now // _WINDOW_S)
        if window != self._window:
            self._window, self._used = window, Counter()
        self._used[key_id] += 1
        reset_s = max(1, round((window + 1) * _WINDOW_S - now))
        return Standing(self._quota, self._quota - self._used[key_id], reset_s)
