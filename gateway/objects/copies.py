"""Local copies of objects that must be read in place: bounded, and gone with the process."""

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_MOST: Final = 128
"""Each holds a file open; a process may often open no more than 1024."""


@dataclass
class _Copy:
    file: IO[bytes]
    size: int
    readers: int = 0
    used_at: float = 0.0

    @property
    def path(self) -> Path:
        return Path(f"/proc/self/fd/{self.file.fileno()}")


class Copies:
    """Copies in ``folder``, where they have no name: no other process can open them, and none outlives this one.

    Beyond ``max_bytes`` the longest unused go first. What is being read stays for so long, whatever it takes.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes = folder, max_bytes
        self._copies: OrderedDict[str, _Copy] = OrderedDict()  # the longest unused first
        # Reentrant: a context that was given up is left when it is collected, wherever that happens.
        self._lock = threading.RLock()

    @contextmanager
    def held(self, name: str, fetch: Callable[[IO[bytes]], None]) -> Iterator[Path]:
        """The copy of ``name``, to be read within the context; ``fetch`` writes it where there is none."""
        copy = self._known(name) or self._new(name, fetch)
        try:
            yield copy.path
        finally:
            with self._lock:
                copy.readers -= 1
                copy.used_at = time.monotonic()
                if self._copies.get(name) is copy:
                    self._copies.move_to_end(name)
                elif not copy.readers:  # dropped while it was read
                    copy.file.close()
                self._trim()

    def drop(self, is_meant: Callable[[str], bool]) -> None:
        """Forget the copies whose name ``is_meant``."""
        with self._lock:
            for name in [name for name in self._copies if is_meant(name)]:
                self._drop(name)

    def let_go(self, unused_s: float) -> None:
        """Forget copies that nobody has read for so many seconds."""
        limit = time.monotonic() - unused_s
        with self._lock:
            for name in [name for name, copy in self._copies.items() if not copy.readers and copy.used_at <= limit]:
                self._drop(name)

    def _known(self, name: str) -> _Copy | None:
        with self._lock:
            copy = self._copies.get(name)
            if copy is not None:
                copy.readers += 1
        return copy

    def _new(self, name: str, fetch: Callable[[IO[bytes]], None]) -> _Copy:
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when it is dropped
        try:
            fetch(file)
            file.flush()
        except BaseException:
            file.close()
            raise
        made = _Copy(file, file.tell())
        with self._lock:
            copy = self._copies.setdefault(name, made)  # another thread may have been faster
            copy.readers += 1
        if copy is not made:
            file.close()
        return copy

    def _drop(self, name: str) -> None:
        copy = self._copies.pop(name)
        if not copy.readers:
            copy.file.close()

    def _trim(self) -> None:
        in_all = sum(copy.size for copy in self._copies.values())
        for name, copy in list(self._copies.items()):
            if in_all <= self._max_bytes and len(self._copies) <= _MOST:
                return
            if not copy.readers:
                in_all -= copy.size
                self._drop(name)
