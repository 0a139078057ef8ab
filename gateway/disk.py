"""Files on this machine's disk."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.jobs.records import new_id


def disk_is_full(error: OSError) -> bool:
    """Is it for want of space, or of this user's share of it?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def file_sha256(path: Path) -> str:
    """In hexadecimal digits; the file is read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """What ``path`` holds; made by whoever comes first and readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{new_id()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(make())
            with contextlib.suppress(FileExistsError):  # another process was a moment faster
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_bytes()


@contextlib.contextmanager
def nameless(folder: Path) -> Iterator[Path]:
    """An empty file in ``folder`` that has no name there: it ends with its context, and with its process at the latest,
    also after a kill. Its path is good in this process alone."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Path(f"/proc/self/fd/{file.fileno()}")
