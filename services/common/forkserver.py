"""Forks limited children: ``python -m services.common.forkserver DESCRIPTOR MODULE...``, started by ``limited``.

A process of its own that begins with next to no environment, so that no child has in its memory what the service
knows, and with ``MODULE``s loaded, since a child can import nothing.

Each message on the socket DESCRIPTOR brings three descriptors: the child's channel, its source, and a line by which
the server tells how the child ended; whoever hangs up the line has the child killed.
"""

import ctypes
import importlib
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from services.common.crossing import send
from services.common.errors import ProblemError
from services.common.limited import ANSWER, END, LENGTH, PROBLEM, Errand, Limits, unreadable
from services.common.seccomp import refuse_other_calls

_PR_SET_PDEATHSIG: Final = 1
_STATUS: Final = struct.Struct("<i")


def serve(requests: socket.socket) -> None:
    """Until the other end of ``requests`` is closed, which ends all children, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which then closes the socket
    ended, wakeup = socket.socketpair()
    for end in (ended, wakeup):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wakeup.fileno())
    lines: dict[int, socket.socket] = {}  # by the child's process id
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    selector.register(ended, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is requests:
                _, descriptors, _, _ = socket.recv_fds(requests, 1, 3)
                if not descriptors:
                    return
                channel, source, line = descriptors
                if (child := os.fork()) == 0:
                    _run(channel, source)
                os.close(channel)
                os.close(source)
                lines[child] = socket.socket(fileno=line)
                selector.register(lines[child], selectors.EVENT_READ, child)
            elif key.fileobj is ended:
                ended.recv(4096)
                for child, status in _ended():
                    line_of_child = lines.pop(child)
                    with suppress(KeyError):
                        selector.unregister(line_of_child)
                    with line_of_child, suppress(OSError):
                        line_of_child.send(_STATUS.pack(os.waitstatus_to_exitcode(status)))
            elif key.data in lines:
                os.kill(key.data, signal.SIGKILL)  # still ours, as long as it stands in ``lines``
                selector.unregister(key.fileobj)


def _ended() -> Iterator[tuple[int, int]]:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _run(channel_descriptor: int, source: int) -> NoReturn:
    """The child."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        channel = socket.socket(fileno=channel_descriptor)
        errand = _errand(channel)
        # Opened anew: whoever shares the descriptor shares its place in the file, too.
        stream = Path(f"/proc/self/fd/{source}").open("rb")  # noqa: SIM115 - open until the process ends
        _confine(errand.limits, keep=(channel_descriptor, stream.fileno()))
        try:
            answer = errand.work(stream, *errand.arguments)
            for each in answer if isinstance(answer, Iterator) else [answer]:
                send(channel, (ANSWER, each))
            send(channel, (END, None))
        except ProblemError as error:
            send(channel, (PROBLEM, error.as_json()))
        except MemoryError:
            send(channel, (PROBLEM, unreadable(errand.param, "reading it needs too much memory").as_json()))
        code = 0
    except BrokenPipeError:
        code = 0  # the caller has heard enough
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _errand(channel: socket.socket) -> Errand:
    """Sent by the service, which is trusted."""
    with channel.makefile("rb") as stream:
        (length,) = LENGTH.unpack(stream.read(LENGTH.size))
        errand: Errand = pickle.loads(stream.read(length))  # noqa: S301 - see above
    return errand


def _confine(limits: Limits, keep: tuple[int, int]) -> None:
    """From here on this process computes, and answers by what is open already."""
    below = 3  # its errors go where the service's go
    for descriptor in sorted(keep):
        os.closerange(below, descriptor)
        below = descriptor + 1
    os.closerange(below, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    refuse_other_calls()


if __name__ == "__main__":
    for module in ("numpy.ma", *sys.argv[2:]):  # NumPy imports it when it is first needed
        importlib.import_module(module)
    serve(socket.socket(fileno=int(sys.argv[1])))
