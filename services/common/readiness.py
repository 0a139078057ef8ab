"""What loads in a thread while its service answers ``/livez`` already and ``/readyz`` says how far it is."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from services.common.errors import ProblemError

T = TypeVar("T")


class Loading(Generic[T]):
    """``load()`` begins at once; make it where the event loop runs. ``what`` is loaded, in words that callers read."""

    def __init__(self, what: str, load: Callable[[], T]) -> None:
        self._what = what
        self._future = asyncio.get_running_loop().run_in_executor(None, load)

    @property
    def state(self) -> str:
        """For ``/readyz``: "ready", or why not."""
        if not self._future.done():
            return "loading"
        error = self._future.exception()
        return "ready" if error is None else f"failed: {error}"

    def result(self) -> T:
        """Raises ``service_unavailable`` while it loads and its own error when it could not be loaded."""
        if not self._future.done():
            raise ProblemError("service_unavailable", f"{self._what}: still loading; try again in a few seconds")
        return self._future.result()

    async def ended(self) -> None:
        """Loaded or failed."""
        await asyncio.wait([self._future])
