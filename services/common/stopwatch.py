"""Seconds per stage, and the question before each whether to go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """``seconds``: stage -> time spent in it, added up. ``check`` is asked before each and may raise to stop."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self.check = check

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.check()
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 4)
