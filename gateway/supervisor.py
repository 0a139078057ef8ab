"""Runs processes as one: starts them, watches them, stops them.

What dies is started again; what is asked to stop leaves no process behind. Each process leads a group of its own that
is ended as a whole, and on Linux the kernel ends it when the supervisor itself is killed.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.processes import StartError, end_group, end_with_parent, publish_url, withdraw_url

_START_LIMIT_S: Final = 300.0
"""The first start joins and converts models; later ones take seconds."""
_START_DEATHS: Final = 3
_PATIENCE_S: Final = 20.0
"""After this, and then after ever longer, a start tells what it still waits for."""
_POLL_S: Final = 0.1
_STOP_LIMIT_S: Final = 15.0
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_STABLE_S: Final = 60.0
_LOG_TAIL_BYTES: Final = 2000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A process. ``probe`` answers "ready" or why it is not yet; where it has an ``address``, that is told."""

    name: str
    command: list[str]
    probe: Callable[[], Awaitable[str]]
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    address: str = ""


class Supervisor:
    """Runs ``groups`` of parts; once all are ready, ``url`` is published in ``data_dir``.

    The first group is waited for before the others start, all at once: most of their time goes into loading models.
    They stop in reverse order, group by group.
    """

    def __init__(self, groups: Sequence[Sequence[Part]], data_dir: Path, url: str, say: Say) -> None:
        self._groups, self._data_dir, self._url, self._say = groups, data_dir, url, say
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._deaths: dict[str, int] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises ``StartError``; in any case no process is left."""
        began = time.monotonic()
        with self._only_one():
            stopped = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(self._start())
            try:
                await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    publish_url(self._data_dir, self._url)
                    self._say(f"Raconteur is ready at {self._url} after {time.monotonic() - began:.1f} s")
                    await stopped
            finally:
                withdraw_url(self._data_dir)
                tasks = (starting, stopped, *self._keepers)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for group in reversed(self._groups):
                    await asyncio.gather(*(self._end(part) for part in group))

    async def _start(self) -> None:
        first, *others = self._groups
        await self._start_all(first)
        await self._start_all([part for group in others for part in group])

    async def _start_all(self, parts: Sequence[Part]) -> None:
        self._keepers += [asyncio.create_task(self._keep(part)) for part in parts]
        await asyncio.gather(*(self._wait_ready(part) for part in parts))

    async def _keep(self, part: Part) -> None:
        """Run a part again whenever it ends."""
        while True:
            began = time.monotonic()
            process = self._running[part.name] = await self._spawn(part)
            code = await process.wait()
            end_group(process.pid)
            deaths = 0 if time.monotonic() - began > _STABLE_S else self._deaths.get(part.name, 0)
            self._deaths[part.name] = deaths + 1
            pause_s = _BACKOFF_S[min(deaths, len(_BACKOFF_S) - 1)]
            self._say(f"{part.name} ended with code {code}; starting it again in {pause_s} s (see {self._log(part)})")
            await asyncio.sleep(pause_s)

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        self._log(part).parent.mkdir(parents=True, exist_ok=True)
        with self._log(part).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | part.environment,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGKILL),
            )
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(part.stdin)
        process.stdin.close()
        return process

    async def _wait_ready(self, part: Part) -> None:
        began, state = time.monotonic(), "not started"
        next_word_s = _PATIENCE_S
        while state != "ready":
            if time.monotonic() - began > _START_LIMIT_S:
                raise StartError(f"{part.name} is not ready after {_START_LIMIT_S:.0f} s: {state} {self._tail(part)}")
            if self._deaths.get(part.name, 0) >= _START_DEATHS:
                raise StartError(f"{part.name} ended {_START_DEATHS} times while starting {self._tail(part)}")
            await asyncio.sleep(_POLL_S)
            state = await part.probe()
            if state != "ready" and time.monotonic() - began > next_word_s:
                self._say(f"{part.name:<12} is not ready yet: {state}")
                next_word_s *= 2
        self._say(f"{part.name:<12} ready  {time.monotonic() - began:6.1f} s  {part.address}".rstrip())

    async def _end(self, part: Part) -> None:
        process = self._running.get(part.name)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
        end_group(process.pid)
        await process.wait()

    def _log(self, part: Part) -> Path:
        return self._data_dir / "logs" / f"{part.name}.log"

    def _tail(self, part: Part) -> str:
        path = self._log(part)
        tail = path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace") if path.exists() else ""
        return f"(see {path})\n{tail}"

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        """One stack per data folder: two would share database and files but not the broker."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with (self._data_dir / "stack.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartError(f"another stack runs in {self._data_dir}; stop it or set RACONTEUR_DATA_DIR") from None
            yield
