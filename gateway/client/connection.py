"""What both clients share: how they connect, and how a download is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx

_TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
"""Relations of many people take minutes on a slow CPU; a connection does not."""

PROBE_S: Final = 2.0


def connection(url: str, key: str | None) -> dict[str, Any]:
    """Arguments of ``httpx.Client`` and ``httpx.AsyncClient``."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {"base_url": url, "headers": headers, "timeout": _TIMEOUT}


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """A file that stands at ``target`` once all of it is written, and not before."""
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
