"""What the gateway costs and bears: real gateway, Valkey, SQLite and workers before services that answer at once.

    .venv/bin/python -m benchmarks.load                      overhead, submissions, a long queue, followers
    .venv/bin/python -m benchmarks.load --soak-minutes 60    ... and an hour of jobs, looking at what grows

``cpu_ms`` is processor time of the process that serves, for each request: it says the same on a busy machine. Times by
the clock do not; measure them on an idle one.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from tests.chaos.house import House, house
from tests.chaos.processes import Process
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]

TICKS: Final = os.sysconf("SC_CLK_TCK")
_QUESTION: Final = {"story": "<P1> stands there. <P2> stands there.", "pairs": [["P1", "P2"]], "taxonomy": "pisc"}
_FOLLOWERS: Final = 50
_FOLLOWED: Final = 10
"""Jobs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100, help="requests a second for the overhead")
    parser.add_argument("--seconds", type=float, default=20, help="length of each measurement")
    parser.add_argument("--jobs", type=int, default=10_000, help="length of the long queue")
    parser.add_argument("--soak-minutes", type=float, default=0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        limits = {"max_queued_jobs": 10 * wanted.jobs, "max_unfinished_jobs": 10 * wanted.jobs}
        place = open_.enter_context(house(Path(folder), None, settings=limits))
        place.start()
        asyncio.run(measure(place, wanted))


async def measure(place: House, wanted: argparse.Namespace) -> None:
    _show("load of the machine by others, before", round(os.getloadavg()[0], 1))
    _show("overhead", await overhead(place, wanted.rate, wanted.seconds))
    _show("followers", await followers(place, wanted.seconds))
    if wanted.soak_minutes:
        _show("soak", await soak(place, wanted.soak_minutes * 60))
    for worker in place.workers:
        worker.kill()
    _show("submissions", await submissions(place, wanted.jobs))
    _show("long queue", await long_queue(place, wanted.seconds))


async def overhead(place: House, rate: float, seconds: float) -> dict[str, Any]:
    """A relation asked of the service itself and by way of the gateway, in turns of a second."""
    bare, through = f"{place.settings.reasoning_url}/v1/relations", f"{place.http.base_url}/v1/relations"
    took: dict[str, list[float]] = {bare: [], through: []}
    cpu: dict[str, float] = {bare: 0.0, through: 0.0}
    servers = {bare: place.service, through: place.gateway}
    async with httpx.AsyncClient(timeout=60) as client:
        for turn in range(2 * round(seconds)):
            url = (bare, through)[turn % 2]
            before = _cpu_s(servers[url])
            took[url] += await _at_rate(client, lambda c, url=url: c.post(url, json=_QUESTION), rate, 1.0)  # type: ignore[misc]
            cpu[url] += _cpu_s(servers[url]) - before
    told = {
        name: quantiles(took[url]) | {"cpu_ms": round(cpu[url] / len(took[url]) * 1000, 2)}
        for name, url in (("service", bare), ("gateway", through))
    }
    return told | {"added": {name: round(told["gateway"][name] - told["service"][name], 2) for name in ("p50", "p99")}}


async def submissions(place: House, jobs: int) -> dict[str, Any]:
    """``jobs`` submitted by 16 callers at once, of a portrait that is there and a text."""
    portrait = place.http.post("/v1/files", files={"file": picture("a face")}).json()["id"]
    form = CONSENT | {"portrait_id": portrait, "text": "Good morning."}
    left = iter(range(jobs))
    began, cpu = time.perf_counter(), _cpu_s(place.gateway)

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            (await client.post("/v1/videos", data=form)).raise_for_status()

    async with httpx.AsyncClient(base_url=place.http.base_url, timeout=120) as client:
        await asyncio.gather(*(caller(client) for _ in range(16)))
    spent_s = time.perf_counter() - began
    return {
        "jobs": jobs,
        "a_second": round(jobs / spent_s, 1),
        "cpu_ms": round((_cpu_s(place.gateway) - cpu) / jobs * 1000, 2),
    }


async def long_queue(place: House, seconds: float) -> dict[str, Any]:
    """List and status, one after the other, while all those jobs wait."""
    told: dict[str, Any] = {"waiting": int(place.database.jobs.queue_length())}
    newest = place.http.get("/v1/jobs", params={"limit": 1}).json()["jobs"][0]["id"]
    async with httpx.AsyncClient(base_url=place.http.base_url, timeout=60) as client:
        for name, path in (("list", "/v1/jobs"), ("status", f"/v1/jobs/{newest}")):
            took, cpu, until = [], _cpu_s(place.gateway), time.perf_counter() + seconds / 2
            while time.perf_counter() < until:
                took.append(await _timed(client, lambda c, path=path: c.get(path)))  # type: ignore[misc]
            told[name] = quantiles(took) | {"cpu_ms": round((_cpu_s(place.gateway) - cpu) / len(took) * 1000, 2)}
    return told


async def followers(place: House, seconds: float) -> dict[str, Any]:
    """Fifty streams of all jobs, while jobs run: until when has each heard of each end?"""
    heard: dict[str, list[float]] = {}
    cpu = _cpu_s(place.gateway)

    async def follow(begun: asyncio.Semaphore) -> None:
        mine: set[str] = set()
        async with client.stream("GET", "/v1/jobs/events") as stream:
            begun.release()
            async for line in stream.aiter_lines():
                if line.startswith("data:") and (job := json.loads(line[5:]))["status"] == "succeeded":
                    if job["id"] not in mine:
                        heard.setdefault(job["id"], []).append(time.time())
                    mine.add(job["id"])
                    if len(mine) == _FOLLOWED:
                        return

    limits = httpx.Limits(max_connections=_FOLLOWERS + 10)
    async with httpx.AsyncClient(base_url=place.http.base_url, timeout=600, limits=limits) as client:
        begun = asyncio.Semaphore(0)
        following = [asyncio.create_task(follow(begun)) for _ in range(_FOLLOWERS)]
        for _ in range(_FOLLOWERS):
            await begun.acquire()
        idle, began = _cpu_s(place.gateway), time.perf_counter()
        await asyncio.sleep(seconds / 2)
        idle_share = (_cpu_s(place.gateway) - idle) / (time.perf_counter() - began)
        for _ in range(_FOLLOWED):
            await asyncio.to_thread(place.submit)
        await asyncio.wait_for(asyncio.gather(*following), 300)
    return {
        "followers": _FOLLOWERS,
        "ends_heard": sum(len(moments) for moments in heard.values()),
        "last_behind_first_s": round(max(max(moments) - min(moments) for moments in heard.values()), 2),
        "gateway_idle_cpu_share": round(idle_share, 3),
        "cpu_s": round(_cpu_s(place.gateway) - cpu, 2),
    }


async def soak(place: House, seconds: float) -> dict[str, Any]:
    """Jobs one after another; memory, open files and files on disk at the end of the first and of the last quarter."""
    processes = {"gateway": place.gateway, "worker": place.workers[0]}
    samples: list[dict[str, float]] = []
    until, done = time.monotonic() + seconds, 0
    speech = wav(0.4)
    while time.monotonic() < until:
        files = {"portrait": picture("a face"), "speech": speech}
        job = place.http.post("/v1/videos", files=files, data=CONSENT | {"expires_in_s": "60"}).json()["id"]
        place.wait(job)
        done += 1
        samples.append(
            {f"{name}_rss_mb": _rss_mb(process) for name, process in processes.items()}
            | {f"{name}_handles": len(list(_folder(process, "fd").iterdir())) for name, process in processes.items()}
            | {"files": sum(len(files) for _, _, files in os.walk(place.settings.data_dir))}
        )
    quarter = max(1, len(samples) // 4)

    def median(name: str, part: list[dict[str, float]]) -> float:
        return round(statistics.median(sample[name] for sample in part), 1)

    grew = {
        name: [median(name, samples[quarter : 2 * quarter]), median(name, samples[-quarter:])] for name in samples[0]
    }
    return {"jobs": done, "minutes": round(seconds / 60, 1), "second and last quarter": grew}


async def _at_rate(client: httpx.AsyncClient, call: Call, rate: float, seconds: float) -> list[float]:
    """Seconds that each call took; they begin at even times, whether those before have ended or not."""
    began, calls = time.perf_counter(), []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        calls.append(asyncio.create_task(_timed(client, call)))
    return list(await asyncio.gather(*calls))


async def _timed(client: httpx.AsyncClient, call: Call) -> float:
    began = time.perf_counter()
    answer = await call(client)
    if not answer.is_success:
        raise SystemExit(f"{answer.request.url}: {answer.status_code} {answer.text}")
    return time.perf_counter() - began


def quantiles(took_s: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(took_s, n=100)
    return {"p50": round(cuts[49] * 1000, 2), "p99": round(cuts[98] * 1000, 2), "calls": len(took_s)}


def _folder(process: Process, name: str) -> Path:
    return Path(f"/proc/{process.pid}/{name}")


def _cpu_s(process: Process) -> float:
    """Processor seconds that a process has used, its threads included."""
    fields = _folder(process, "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss_mb(process: Process) -> float:
    pages = int(_folder(process, "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _show(name: str, value: Any) -> None:
    print(json.dumps({name: value}), flush=True)


if __name__ == "__main__":
    main()
