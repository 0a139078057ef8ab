"""A file that a caller names by its URL: from the open internet alone, no larger and no slower than allowed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Final

import httpx

from services.common.addresses import OpenInternet
from services.common.errors import ProblemError

_WAIT_S: Final = httpx.Timeout(10.0, connect=5.0)
_IN_MEMORY_BYTES: Final = 1 << 20
_AT_A_TIME: Final = 8
"""In one process: whoever names slow servers takes turns."""


class Fetcher:
    """Fetches what is not larger than ``max_bytes`` and comes within ``seconds``, where it is ``allowed`` at all."""

    def __init__(self, internet: OpenInternet, *, allowed: bool, max_bytes: int, seconds: float) -> None:
        self._internet, self._allowed = internet, allowed
        self._max_bytes, self._seconds = max_bytes, seconds
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncIterator[IO[bytes]]:
        """The content of ``url``, at its start.

        Raises ``invalid_request`` (not allowed here), ``address_refused``, ``url_not_fetched``, ``too_large``.
        """
        if not self._allowed:
            rule = "files are not fetched here (RACONTEUR_INPUT_URLS); send the file itself"
            raise ProblemError("invalid_request", f"url: {rule}", param="url")
        await self._internet.check(url, "url")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, prefix="raconteur-fetch-") as file:
            try:
                async with asyncio.timeout(self._seconds), self._turns:
                    await self._fetch(url, file)
            except TimeoutError:
                raise _not_fetched(f"it was not here within {self._seconds:g} s") from None
            except httpx.HTTPError as error:
                raise _not_fetched(f"its server did not answer ({type(error).__name__})") from None
            file.seek(0)
            yield file

    async def _fetch(self, url: str, file: IO[bytes]) -> None:
        # Not compressed, and read as it comes: a few bytes could stand for many.
        headers = {"Accept-Encoding": "identity", "User-Agent": "raconteur"}
        async with self._internet.client(_WAIT_S) as client, client.stream("GET", url, headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                raise _not_fetched(f"its server answered {answer.status_code}; redirects are not followed")
            size = 0
            async for block in answer.aiter_raw():
                size += len(block)
                if size > self._max_bytes:
                    raise ProblemError("too_large", f"url: its file has more than {self._max_bytes} bytes", param="url")
                file.write(block)


def _not_fetched(why: str) -> ProblemError:
    """Says nothing of what the server wrote."""
    return ProblemError("url_not_fetched", f"url: {why}", param="url")
