"""Processes on this machine: where the running stack is, how a child ends with its parent, which ports are free."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_STATE_FILE: Final = "stack.json"
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class StartError(Exception):
    """The stack could not start; the message says which part, why, and where its log is."""


def publish_url(data_dir: Path, url: str) -> None:
    """Tell other processes of this machine that the stack of ``data_dir`` is ready at ``url``."""
    (data_dir / _STATE_FILE).write_text(json.dumps({"pid": os.getpid(), "url": url}))


def withdraw_url(data_dir: Path) -> None:
    """The stack is going: nobody shall look for it there any more."""
    (data_dir / _STATE_FILE).unlink(missing_ok=True)


def published_url(data_dir: Path) -> str | None:
    """URL of the stack that was last ready in ``data_dir``; None where it has been stopped."""
    try:
        return str(json.loads((data_dir / _STATE_FILE).read_text())["url"])
    except FileNotFoundError:
        return None


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel sends ``number`` to the child when its parent dies (Linux)."""
    parent = os.getpid()

    def arrange() -> None:
        send_at_parent_death(number)
        if os.getppid() != parent:  # it died just before
            os._exit(1)

    return arrange


def send_at_parent_death(number: signal.Signals) -> None:
    """Have the kernel send ``number`` to this process when its parent dies (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def end_group(pid: int) -> None:
    """Kill what is left of the process group that ``pid`` led."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Distinct ports of the loopback that nothing listens on."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
