"""Work on bytes that strangers sent, in a child process that can do nothing else.

Decoders of pictures, sound and video have had holes that run code. So what decodes runs in a child of its own: with
limits on memory, time and files; with no way to open a file, a connection or another program; killed when it takes too
long; and believed no more than its answer's type. The child is forked from a server that has the libraries loaded.
"""

import atexit
import contextlib
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from services.common.crossing import CrossingError, receive
from services.common.errors import ProblemError

T = TypeVar("T")
U = TypeVar("U")

Source = Path | bytes | BinaryIO
"""What is decoded. An open file must have a descriptor; it is read from its start, whatever its place is."""

ANSWER, PROBLEM, END = "answer", "problem", "end"
LENGTH: Final = struct.Struct("<I")
_ENDED_WITHIN_S: Final = 5.0


@dataclass(frozen=True)
class Limits:
    """What a child may use. ``seconds``: until its (next) answer, ``cpu_s``: in all; ``memory_bytes`` counts address
    space, of which the libraries take about 1 GB; ``answer_bytes``: the arrays of one answer."""

    seconds: float = 60.0
    cpu_s: int = 120
    memory_bytes: int = 4 << 30
    files: int = 64
    answer_bytes: int = 1 << 30


@dataclass(frozen=True)
class Errand:
    """What a child is told to do."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    limits: Limits
    param: str


class Limited(Generic[T]):
    """``work(stream, *arguments)``, which decodes ``stream``, as it may be run. Make it where ``work`` stands.

    What ``work`` returns (or yields, see ``each``) is of dataclasses, arrays, bytes and JSON's types, as annotated.
    """

    def __init__(self, work: Callable[..., T], limits: Limits = Limits()) -> None:
        self._work, self._limits = work, limits
        _server.modules.add(work.__module__)

    def __call__(self, source: Source, *arguments: Any, param: str) -> T:
        """What ``work`` returns. ``arguments`` are pickled.

        Raises what ``work`` raises as ``ProblemError``; ``unsupported_media`` with ``param`` where the child died,
        took too long or needed too much memory. Blocks: call it from a thread.
        """
        with closing(self._answers(source, arguments, param)) as answers:
            for answer in answers:
                return answer  # type: ignore[no-any-return] # of the type that ``work`` returns
        raise unreadable(param, "it cannot be read; its decoder gave no answer")

    def each(self: "Limited[Iterator[U]]", source: Source, *arguments: Any, param: str) -> Generator[U, None, None]:
        """What ``work`` yields, at the pace of the caller, who closes it. Raises as above."""
        return self._answers(source, arguments, param)

    @cached_property
    def _kind(self) -> TypeAdapter[Any]:
        returned = get_type_hints(self._work)["return"]
        return TypeAdapter(get_args(returned)[0] if get_origin(returned) is Iterator else returned)

    def _answers(self, source: Source, arguments: tuple[Any, ...], param: str) -> Generator[Any, None, None]:
        limits = self._limits
        with _opened(source) as file:
            channel, line = _server.fork(file.fileno())
        with line, channel:
            try:
                errand = pickle.dumps(Errand(self._work, arguments, limits, param))
                channel.sendall(LENGTH.pack(len(errand)) + errand)
                while True:
                    told, value = receive(channel, seconds=limits.seconds, most_bytes=limits.answer_bytes)
                    if told == END:
                        return
                    if told == PROBLEM:
                        raise ProblemError.from_json(dict(value))
                    yield self._kind.validate_python(value)
            except TimeoutError:
                raise unreadable(param, f"reading it takes over {limits.seconds:g} s") from None
            except (EOFError, ConnectionError):
                raise unreadable(param, f"it cannot be read; its decoder ended by {_fault(line)}") from None
            except (CrossingError, ValidationError, ValueError, TypeError) as error:
                told = type(error).__name__
                raise unreadable(param, f"it cannot be read; its decoder went wrong ({told})") from None


class _Server:
    """The process that forks children; started with the first one, and again should it have died."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def fork(self, source: int) -> tuple[socket.socket, socket.socket]:
        """The channel to a new child that reads the descriptor ``source``, and the line that ends it."""
        channel, childs_channel = socket.socketpair()
        line, servers_line = socket.socketpair()
        with childs_channel, servers_line, self._lock:
            passed = [childs_channel.fileno(), source, servers_line.fileno()]
            try:
                socket.send_fds(self._started(), [b"\0"], passed)
            except ConnectionError:  # it died
                self.stop()
                socket.send_fds(self._started(), [b"\0"], passed)
        return channel, line

    def start(self) -> None:
        """Ahead of the first child, which then need not wait until the libraries are loaded."""
        with self._lock:
            self._started()

    def stop(self) -> None:
        """And all children with it."""
        if self._running is not None:
            process, requests = self._running
            self._running = None
            requests.close()
            process.wait()

    def _started(self) -> socket.socket:
        if self._running is not None:
            return self._running[1]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", "services.common.forkserver", str(theirs.fileno())]
        environment = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, *sorted(self.modules)],
                env=environment | {"OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._running = process, ours
        return ours


_server: Final = _Server()
start: Final = _server.start
atexit.register(_server.stop)


def unreadable(param: str, why: str) -> ProblemError:
    """What a caller is told whose file breaks a decoder or a limit."""
    return ProblemError("unsupported_media", f"{param}: {why}", param=param)


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if not isinstance(source, Path | bytes):
        yield source
    elif isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        with os.fdopen(os.memfd_create("source"), "wb") as memory:
            memory.write(source)
            memory.flush()
            yield memory


def _fault(line: socket.socket) -> str:
    line.settimeout(_ENDED_WITHIN_S)
    with contextlib.suppress(OSError):
        told = line.recv(4)
        if len(told) == 4:
            code = int.from_bytes(told, "little", signed=True)
            return signal.Signals(-code).name if code < 0 else f"code {code}"
    return "itself"
