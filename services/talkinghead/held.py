"""Inputs that several calls need (a source, its face track), held for a while so that each travels once.

A cache and no more: what is not held is asked for again (``input_missing``), so that any replica may be asked. A
held file has no name in any folder: the system takes it back with the process, however that ends, and nobody else
can open it.
"""

import hashlib
import io
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from services.common.errors import ProblemError
from services.common.metrics import looked_up

MOST_HELD: Final = 256
"""Inputs, whatever their size: each costs an open file, of which a process may have 1024."""

_BLOCK_BYTES: Final = 1 << 20


@dataclass
class _Held:
    file: BinaryIO
    size_bytes: int
    used_at: float


class HeldInputs:
    """At most ``max_bytes`` on disk; what was used longest ago goes first, and whatever is idle for ``idle_s``."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        idle_s: float,
        on_erased: Callable[[str], None] = lambda _sha256: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_erased`` is told the SHA-256 of each input that goes, for whatever reason."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._idle_s = folder, max_bytes, idle_s
        self._on_erased, self._clock = on_erased, clock
        self._held: OrderedDict[str, _Held] = OrderedDict()  # by SHA-256, the one used last at the end
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """What all of them take on disk."""
        with self._lock:
            return self._size()

    def hold(self, content: BinaryIO, param: str) -> str:
        """Copy a file from its start -> its SHA-256, in hexadecimal. Raises too_large: more than all may take."""
        file: BinaryIO = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - held
        try:
            sha256, size_bytes = self._copy(content, file, param)
        except BaseException:
            file.close()
            raise
        with self._lock:
            if sha256 in self._held:
                file.close()
                self._touch(sha256)
            else:
                self._held[sha256] = _Held(file, size_bytes, self._clock())
            while self._size() > self._max_bytes or len(self._held) > MOST_HELD:
                self._forget(next(iter(self._held)))
        return sha256

    def open(self, sha256: str, param: str) -> BinaryIO:
        """A held input, open for reading by the caller alone: erasing it meanwhile does not disturb him.

        Raises input_missing with ``param``.
        """
        with self._lock:
            held = self._held.get(sha256)
            if held is None:
                raise _missing({param: sha256})
            self._touch(sha256)
            return io.BufferedReader(_Reader(held.file.fileno()), _BLOCK_BYTES)

    def require(self, named: Mapping[str, str]) -> None:
        """Are the inputs held that are ``named`` by parameter and SHA-256? Raises input_missing, which tells all that
        are not as ``missing``."""
        with self._lock:
            for sha256 in named.values():
                looked_up("source", found=sha256 in self._held)
            missing = {param: sha256 for param, sha256 in named.items() if sha256 not in self._held}
        if missing:
            raise _missing(missing)

    def erase(self, sha256: str) -> None:
        """Give up an input, if it is held."""
        with self._lock:
            self._forget(sha256)

    def erase_idle(self) -> None:
        """Give up what nobody has used for ``idle_s``."""
        with self._lock:
            before = self._clock() - self._idle_s
            for sha256 in [sha256 for sha256, held in self._held.items() if held.used_at <= before]:
                self._forget(sha256)

    def close(self) -> None:
        """Give up all of them."""
        with self._lock:
            for sha256 in list(self._held):
                self._forget(sha256)

    def _copy(self, content: BinaryIO, file: BinaryIO, param: str) -> tuple[str, int]:
        digest, size_bytes = hashlib.sha256(), 0
        while block := content.read(_BLOCK_BYTES):
            size_bytes += len(block)
            if size_bytes > self._max_bytes:
                rule = f"{param}: the file has more than {self._max_bytes} bytes, which is all that may be held"
                raise ProblemError("too_large", rule, param=param)
            digest.update(block)
            file.write(block)
        file.flush()
        return digest.hexdigest(), size_bytes

    def _forget(self, sha256: str) -> None:
        held = self._held.pop(sha256, None)
        if held is not None:
            held.file.close()
            self._on_erased(sha256)

    def _touch(self, sha256: str) -> None:
        self._held[sha256].used_at = self._clock()
        self._held.move_to_end(sha256)

    def _size(self) -> int:
        return sum(held.size_bytes for held in self._held.values())


def _missing(named: Mapping[str, str]) -> ProblemError:
    told = ", ".join(f"{param} with the SHA-256 {sha256!r}" for param, sha256 in named.items())
    return ProblemError(
        "input_missing",
        f"{told}: not held here; send the file itself",
        param=next(iter(named)),
        missing=list(named),
    )


class _Reader(io.RawIOBase):
    """An open file read from a place of its own, beside other readers."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._place = os.dup(descriptor), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, target: "memoryview[int]") -> int:  # type: ignore[override]
        count = os.preadv(self._descriptor, [target], self._place)
        self._place += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
