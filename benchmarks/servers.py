"""Raconteur's service frame, LitServe and BentoML with the same fake model (4 ms a call) and the same client, in turns.

    .venv/bin/python -m benchmarks.servers PEERS

``PEERS`` is a folder for virtual environments of LitServe and BentoML; what is not there yet is installed into it. They
are no dependencies of the project. ``cpu_ms`` is processor time of all the server's processes, for each request.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.load import TICKS, quantiles
from gateway.processes import free_ports

_HERE: Final = Path(__file__).resolve().parent / "peers"
_PINS: Final = {"litserve": "litserve==0.2.19", "bentoml": "bentoml==1.4.40"}
_START_S: Final = 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--seconds", type=float, default=5, help="length of each turn")
    parser.add_argument("--turns", type=int, default=3)
    wanted = parser.parse_args()
    for name, pin in _PINS.items():
        _install(wanted.peers.resolve() / name, pin)
    with ExitStack() as open_:
        servers = {name: open_.enter_context(_Server(name, wanted.peers.resolve())) for name in ("raconteur", *_PINS)}
        asyncio.run(measure(servers, wanted.turns, wanted.seconds))


async def measure(servers: dict[str, "_Server"], turns: int, seconds: float) -> None:
    """Each server with one caller, then with sixteen, in turns, so that all meet the machine in the same mood."""
    for server in servers.values():
        await server.started()
    for callers in (1, 16):
        took: dict[str, list[float]] = {name: [] for name in servers}
        cpu: dict[str, float] = dict.fromkeys(servers, 0.0)
        for _ in range(turns):
            for name, server in servers.items():
                before = server.cpu_s()
                took[name] += await _turn(server.url, callers, seconds)
                cpu[name] += server.cpu_s() - before
        for name, times in took.items():
            told = quantiles(times) | {
                "a_second": round(len(times) / (turns * seconds), 1),
                "cpu_ms": round(cpu[name] / len(times) * 1000, 2),
            }
            print(json.dumps({"server": name, "callers": callers} | told), flush=True)


async def _turn(url: str, callers: int, seconds: float) -> list[float]:
    """Seconds that each call took; every caller asks again as soon as it was answered."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def caller(client: httpx.AsyncClient) -> None:
        while (began := time.perf_counter()) < until:
            answer = await client.post(url, json={"values": [1.0, 2.0, 3.0]})
            took.append(time.perf_counter() - began)
            if answer.status_code != 200 or answer.json()["output"] != 6.0:
                raise SystemExit(f"{url}: {answer.status_code} {answer.text}")

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(caller(client) for _ in range(callers)))
    return took


class _Server:
    """A server with all its processes."""

    def __init__(self, name: str, peers: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/predict"
        programs = peers / name / "bin"
        self._command = {
            "raconteur": [sys.executable, "-m", "benchmarks.peers.raconteur_server", str(port)],
            "litserve": [str(programs / "python"), str(_HERE / "litserve_server.py"), str(port)],
            "bentoml": [str(programs / "bentoml"), "serve", "bentoml_server:Sum", "--port", str(port)],
        }[name]
        self._folder = None if name == "raconteur" else _HERE

    def __enter__(self) -> "_Server":
        environment = os.environ | {"BENTOML_DO_NOT_TRACK": "true"}
        if self._folder is not None:
            environment.pop("PYTHONPATH", None)  # theirs is their own environment
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: Any) -> None:
        for pid, _ticks in self._processes():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    async def started(self) -> None:
        """Until it answers the question."""
        until = time.monotonic() + _START_S
        async with httpx.AsyncClient(timeout=5) as client:
            while time.monotonic() < until:
                try:
                    if (await client.post(self.url, json={"values": [6.0]})).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.5)
        raise SystemExit(f"{self._command} did not answer within {_START_S:.0f} s")

    def cpu_s(self) -> float:
        """Processor seconds of all its processes."""
        return sum(ticks for _, ticks in self._processes()) / TICKS

    def _processes(self) -> list[tuple[int, int]]:
        """(pid, clock ticks of processor time) of it and all that descends from it, whatever their groups."""
        told: dict[int, tuple[int, int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            told[int(stat.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
        family = {self._process.pid}
        while more := {pid for pid, (parent, _) in told.items() if parent in family} - family:
            family |= more
        return [(pid, told[pid][1]) for pid in family if pid in told]


def _install(folder: Path, pin: str) -> None:
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", pin], check=True)


if __name__ == "__main__":
    main()
