"""Seconds per stage, and the question before each whether to go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.metrics import STAGE_SECONDS


class Stopwatch:
    """``seconds``: stage -> time spent in it, added up. ``check`` is asked before each and may raise to stop."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self.check = check

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A context whose seconds count for ``name``, also where it raises."""
        self.check()
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 4)
            STAGE_SECONDS.labels(name).observe(took)
