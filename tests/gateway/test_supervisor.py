"""The supervisor with small real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.processes import StartError, published_url
from gateway.supervisor import Part, Supervisor


async def ready() -> str:
    return "ready"


def sleeper(name: str, folder: Path, *, child: bool = False) -> Part:
    """Sleeps; writes its pid (and that of a child of its own) to ``folder``."""
    script = f"echo $$ >> {folder}/{name}.pid; "
    script += f"sleep 1000 & echo $! >> {folder}/{name}.pid; " if child else ""
    path = folder / f"{name}.pid"

    async def probe() -> str:
        return "ready" if path.exists() else "no pid yet"

    return Part(name, ["sh", "-c", script + "exec sleep 1000"], probe)


def pids(folder: Path) -> list[int]:
    return [int(line) for path in folder.glob("*.pid") for line in path.read_text().split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(look: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_parts_start_in_order_and_stop_without_a_process_left(tmp_path: Path):
    said: list[str] = []
    groups = [[sleeper("broker", tmp_path)], [sleeper("service", tmp_path, child=True)], [sleeper("gateway", tmp_path)]]
    stop = asyncio.Event()
    running = asyncio.create_task(Supervisor(groups, tmp_path, "http://here", said.append).run(stop))

    await until(lambda: published_url(tmp_path) == "http://here")
    await until(lambda: len(pids(tmp_path)) == 4)  # a part is ready before it has told its child's
    assert said[0].startswith("broker") and said[-1].startswith("Raconteur is ready at http://here")
    assert all(alive(pid) for pid in pids(tmp_path))
    stop.set()
    await running

    await until(lambda: not any(alive(pid) for pid in pids(tmp_path)))  # killed is not yet gone
    assert published_url(tmp_path) is None


async def test_a_part_that_dies_is_started_again(tmp_path: Path):
    said: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(Supervisor([[sleeper("one", tmp_path)]], tmp_path, "u", said.append).run(stop))
    await until(lambda: published_url(tmp_path) is not None)

    os.kill(pids(tmp_path)[0], signal.SIGKILL)
    await until(lambda: len(pids(tmp_path)) == 2)
    stop.set()
    await running

    assert any("one ended with code -9; starting it again in 0.5 s" in line for line in said)
    await until(lambda: not any(alive(pid) for pid in pids(tmp_path)))  # killed is not yet gone


async def test_a_part_that_cannot_start_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.supervisor._BACKOFF_S", (0.01,))

    async def never() -> str:
        return "no"

    groups = [[sleeper("one", tmp_path)], [Part("bad", ["sh", "-c", "echo no model; exit 3"], never)]]
    with pytest.raises(StartError, match=r"bad ended 3 times while starting .*bad\.log[^$]*no model"):
        await Supervisor(groups, tmp_path, "u", lambda _: None).run(asyncio.Event())

    await until(lambda: not any(alive(pid) for pid in pids(tmp_path)))  # killed is not yet gone


async def test_a_second_stack_in_the_same_folder_is_refused(tmp_path: Path):
    stop = asyncio.Event()
    first = asyncio.create_task(Supervisor([[sleeper("a", tmp_path)]], tmp_path, "u", lambda _: None).run(stop))
    await until(lambda: published_url(tmp_path) is not None)

    with pytest.raises(StartError, match="another stack runs in"):
        await Supervisor([[sleeper("b", tmp_path)]], tmp_path, "v", lambda _: None).run(stop)

    assert published_url(tmp_path) == "u"
    stop.set()
    await first


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends children with their parent")
async def test_a_killed_supervisor_leaves_no_process(tmp_path: Path):
    script = f"""
import asyncio, pathlib
from gateway.supervisor import Supervisor
from tests.gateway.test_supervisor import sleeper
folder = pathlib.Path({str(tmp_path)!r})
asyncio.run(Supervisor([[sleeper("a", folder)], [sleeper("b", folder)]], folder, "u", print).run(asyncio.Event()))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    await until(lambda: published_url(tmp_path) is not None, limit_s=60)

    process.kill()
    process.wait()

    assert len(pids(tmp_path)) == 2
    await until(lambda: not any(alive(pid) for pid in pids(tmp_path)))
