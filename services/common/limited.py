"""Work on bytes that strangers sent, in a child process that can do nothing else.

Decoders of pictures, sound and video have had holes that run code. So what decodes runs in a child of its own: with
limits on memory, time and files; with no way to open a file, a connection or another program; killed when it takes too
long. The child is forked from a server that has the libraries loaded, which takes about 20 ms.
"""

import ctypes
import multiprocessing
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from services.common.errors import ProblemError

T = TypeVar("T")

_PRELOADED: Final = ["av", "av.subtitles.stream", "av.subtitles.codeccontext", "numpy", "PIL.Image"]
"""With what PyAV would import only when it meets it: a child can import nothing."""

# seccomp(2) and prctl(2)
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_PDEATHSIG, _MODE_FILTER = 38, 22, 1, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: ld word at, jeq, ret
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # refused calls fail with EPERM
_REFUSED_CALLS: Final = {
    # open, creat, openat, openat2, socket, connect, execve, execveat, ptrace, process_vm_readv/writev, io_uring_setup
    "x86_64": (0xC000003E, (2, 85, 257, 437, 41, 42, 59, 322, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, (56, 437, 198, 203, 221, 281, 117, 270, 271, 425)),
}


@dataclass(frozen=True)
class Limits:
    """What a child may use. ``memory_bytes`` counts address space, of which the libraries take about 1 GB."""

    seconds: float = 60.0
    memory_bytes: int = 4 << 30
    files: int = 64


def run_limited(
    work: Callable[..., T], source: Path | bytes, *arguments: Any, limits: Limits = Limits(), param: str
) -> T:
    """``work(stream, *arguments)`` in a limited child; ``stream`` reads ``source``. Answer and arguments are pickled.

    Raises what ``work`` raises as ``ProblemError``; ``unsupported_media`` with ``param`` where the child died, took too
    long or needed too much memory. Blocks: call it from a thread.
    """
    context = _context(work.__module__)
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, work, source, arguments, limits), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(limits.seconds):
            raise ProblemError("unsupported_media", f"{param}: reading it takes over {limits.seconds:g} s", param=param)
        good, answer = ours.recv()
    except EOFError:
        child.join(1)
        code = child.exitcode or 0
        fault = signal.Signals(-code).name if code < 0 else f"code {code}"
        raise ProblemError(
            "unsupported_media", f"{param}: it cannot be read; its decoder ended by {fault}", param=param
        ) from None
    finally:
        ours.close()
        child.kill()
        child.join()
        child.close()
    if good:
        return answer  # type: ignore[no-any-return] # it is what ``work`` returned
    raise ProblemError.from_json(answer)


@lru_cache
def _context(module: str) -> ForkServerContext:
    """The server starts with the first child, and loads what that child needs, once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED, module])
    return context


def _child(
    answers: Connection, work: Callable[..., Any], source: Path | bytes, arguments: tuple[Any, ...], limits: Limits
) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with _opened(source) as stream:
        _confine(limits)
        try:
            answer = True, work(stream, *arguments)
        except ProblemError as error:
            answer = False, error.as_json()
        except MemoryError:
            answer = False, ProblemError("unsupported_media", "reading it needs too much memory").as_json()
        answers.send(answer)


def _opened(source: Path | bytes) -> BinaryIO:
    if isinstance(source, Path):
        return source.open("rb")
    reader = os.fdopen(os.memfd_create("source"), "w+b")
    reader.write(source)
    reader.seek(0)
    return reader


def _confine(limits: Limits) -> None:
    """From here on this process computes, and answers by what is open already."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, int(limits.seconds) + 1),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    if sys.platform == "linux":
        _refuse_calls()


def _refuse_calls() -> None:
    """A seccomp filter; needs no privilege. A machine of another kind has the resource limits alone."""
    known = _REFUSED_CALLS.get(platform.machine())
    if known is None:
        return
    architecture, calls = known
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for place, call in enumerate(calls):
        program.append((_EQUAL, len(calls) - place, 0, call))
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    held = ctypes.create_string_buffer(filter_program)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, held, 0, 0):
        raise OSError(ctypes.get_errno(), "the child cannot be confined")
