"""What was worked out of the last photos: in memory alone, few, for minutes, and erased on demand.

A key holds the SHA-256 of a photo, never the photo; values hold boxes, masks and answers, never its pixels.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

from services.common.metrics import looked_up

T = TypeVar("T")


class Memory:
    """The ``entries`` results used last, none older than ``lifetime_s`` seconds. Threads may share it."""

    def __init__(self, entries: int, lifetime_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._entries, self._lifetime_s, self._now = entries, lifetime_s, now
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``key``, made and kept where it is not known; what ``make`` raises is not kept."""
        with self._lock:
            self._expire()
            looked_up("photo", found=key in self._kept)
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]  # type: ignore[return-value] # a key always has values of one type
        value = make()
        with self._lock:
            self._kept[key] = (self._now(), value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return value

    def erase(self) -> int:
        """Forget everything -> how many results that were."""
        with self._lock:
            count = len(self._kept)
            self._kept.clear()
            return count

    def _expire(self) -> None:
        oldest = self._now() - self._lifetime_s
        for key in [key for key, (made, _) in self._kept.items() if made < oldest]:
            del self._kept[key]
