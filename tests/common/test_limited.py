"""What a child that decodes strangers' bytes can and cannot do."""

import ctypes
import os
import pickle
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

from services.common import limited
from services.common.errors import ProblemError
from services.common.limited import Limited, Limits


@dataclass(frozen=True)
class Parcel:
    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    numbers: NDArray[np.float32]
    content: bytes
    name: str
    place: tuple[int, int] | None = None


def read(stream: BinaryIO, times: int) -> bytes:
    return stream.read() * times


def wrap(stream: BinaryIO) -> Parcel:
    return Parcel(np.arange(6, dtype=np.float32).reshape(2, 3), stream.read(), "parcel", (1, 2))


def bend(_stream: BinaryIO) -> Parcel:
    return {"numbers": "none", "content": b"", "name": "parcel"}  # type: ignore[return-value]


def count(_stream: BinaryIO, last: int) -> Iterator[Parcel]:
    for number in range(last):
        yield Parcel(np.full(1 << 18, number, np.float32), b"", str(number))


def count_and_stop(_stream: BinaryIO) -> Iterator[str]:
    yield "one"
    raise ProblemError("too_large", "photo: two", param="photo")


def refuse(_stream: BinaryIO) -> str:
    raise ProblemError("no_face", "photo: none", param="photo", faces=0)


def break_out(_stream: BinaryIO, way: str, path: str, pid: int) -> str:
    """The error that a way out gives; an empty text where it works."""
    libc = ctypes.CDLL(None, use_errno=True)
    ways: dict[str, Any] = {
        "read a file": lambda: Path("/etc/passwd").read_bytes(),
        "write a file": lambda: Path(path).write_bytes(b"x"),
        "erase a file": lambda: Path(path).unlink(),
        "move a file": lambda: Path(path).rename(path + "-moved"),
        "make a folder": lambda: Path(path + "-folder").mkdir(),
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "listen": lambda: socket.socket().listen(),
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "become a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
        "fork": os.fork,
        "stop another process": lambda: os.kill(pid, signal.SIGKILL),
        "watch another process": lambda: _called(libc, 101, 16, pid, 0, 0),
        "take more memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
        "call in 32 bits": lambda: _called(libc, 0x40000000 + 2, path.encode(), 0),
    }
    try:
        ways[way]()
    except OSError as error:
        return type(error).__name__
    except ValueError:  # what setrlimit makes of a refusal
        return "PermissionError"
    return ""


def _called(libc: Any, number: int, *arguments: Any) -> None:
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def start_threads(_stream: BinaryIO) -> int:
    seen: list[int] = []
    threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(seen)


def environment(_stream: BinaryIO) -> list[str]:
    return sorted(os.environ)


def open_files(_stream: BinaryIO) -> int:
    count = 0
    for number in range(3, 256):
        with suppress(OSError):
            os.fstat(number)
            count += 1
    return count


def die(_stream: BinaryIO) -> str:
    return str(ctypes.string_at(0))


def hang(_stream: BinaryIO) -> str:
    time.sleep(600)
    return ""


def drip(_stream: BinaryIO) -> str:
    os.write(_channel(), (1000).to_bytes(4, "little"))
    for _ in range(600):
        os.write(_channel(), b" ")
        time.sleep(0.1)
    return ""


def swell(_stream: BinaryIO) -> int:
    return len(bytearray(8 << 30))


class Trap:
    def __reduce__(self) -> Any:
        return os.system, ("touch sprung",)


def lie(_stream: BinaryIO, what: str) -> str:
    """Send what the honest code would never send."""
    head = {
        "a pickle": pickle.dumps(Trap()),
        "too long": b"\xff\xff\xff\xff",
        "no JSON": b"\4\0\0\0oops",
        "deep JSON": (100_000).to_bytes(4, "little") + b"[" * 100_000,
        "an array of addresses": _told('[["answer", {"$part": 0}], [["O", [1]]]]') + bytes(8),
        "a negative array": _told('[["answer", {"$part": 0}], [["<u1", [-1]]]]'),
        "a huge array": _told('[["answer", {"$part": 0}], [["<u1", [1000000000000]]]]'),
        "no such array": _told('[["answer", {"$part": 7}], []]'),
        "nothing": _told('[["end", null], []]'),
        "another type": _told('[["answer", [1, 2]], []]'),
        "an odd problem": _told('[["problem", 5], []]'),
    }[what]
    os.write(_channel(), head)
    os._exit(0)


def _told(text: str) -> bytes:
    return len(text).to_bytes(4, "little") + text.encode()


def _channel() -> int:
    """The child's way to its parent, as an attacker would find it."""
    for number in range(3, 64):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
    raise AssertionError("no channel")


@pytest.mark.parametrize("form", ["path", "bytes", "file"])
def test_the_answer_comes_back(tmp_path: Path, form: str):
    path = tmp_path / "source"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        file.read(2)
        source = {"path": path, "bytes": b"abc", "file": file}[form]

        assert Limited(read)(source, 2, param="photo") == b"abcabc"
        assert file.read() == b"c"


def test_arrays_come_back_as_they_were():
    parcel = Limited(wrap)(b"content", param="photo")

    assert parcel.numbers.dtype == np.float32
    assert parcel.numbers.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (parcel.content, parcel.name, parcel.place) == (b"content", "parcel", (1, 2))


def test_many_answers_come_at_the_callers_pace_and_end_with_him():
    with closing(Limited(count).each(b"", 1 << 30, param="photo")) as parcels:
        first = [parcel.numbers[0] for parcel, _ in zip(parcels, range(3), strict=False)]

    assert first == [0, 1, 2]
    assert [parcel.name for parcel in Limited(count).each(b"", 4, param="photo")] == ["0", "1", "2", "3"]


def test_a_problem_comes_back_as_it_was_raised():
    with pytest.raises(ProblemError) as caught:
        Limited(refuse)(b"", param="photo")

    assert (caught.value.code, caught.value.param, caught.value.extra) == ("no_face", "photo", {"faces": 0})


def test_a_problem_after_an_answer_comes_back_too():
    answers = Limited(count_and_stop).each(b"", param="photo")

    assert next(answers) == "one"
    with pytest.raises(ProblemError, match="two"):
        next(answers)


@pytest.mark.parametrize(
    "way",
    [
        "read a file",
        "write a file",
        "erase a file",
        "move a file",
        "make a folder",
        "connect",
        "listen",
        "run a program",
        "become a program",
        "fork",
        "stop another process",
        "watch another process",
        "take more memory",
        pytest.param(
            "call in 32 bits", marks=pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 has two ways")
        ),
    ],
)
def test_there_is_no_way_out(way: str, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"here")
    other = subprocess.Popen(["/bin/sleep", "60"])
    try:
        assert Limited(break_out)(b"", way, str(path), other.pid, param="photo") == "PermissionError"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert path.read_bytes() == b"here"


def test_a_child_holds_no_secret_and_nothing_open_but_its_source_and_its_channel():
    assert set(Limited(environment)(b"", param="photo")) <= {"PYTHONPATH", "OMP_NUM_THREADS", "LC_CTYPE"}
    assert Limited(open_files)(b"", param="photo") == 2


def test_a_server_that_died_is_started_again():
    assert Limited(read)(b"a", 1, param="photo") == b"a"
    assert limited._server._running is not None
    process = limited._server._running[0]
    process.kill()
    process.wait()

    assert Limited(read)(b"b", 1, param="photo") == b"b"


def test_children_that_are_given_up_leave_no_process():
    for _ in range(3):
        with closing(Limited(count).each(b"", 1 << 30, param="photo")) as parcels:
            next(parcels)
    assert limited._server._running is not None
    server = limited._server._running[0].pid
    children = Path(f"/proc/{server}/task/{server}/children")
    deadline = time.monotonic() + 30
    while left := children.read_text().strip():
        assert time.monotonic() < deadline, f"children left: {left}"
        time.sleep(0.01)


def test_no_process_outlives_a_service_that_is_killed():
    code = (
        "import os, signal; from services.common import limited; from services.common.pictures import read_picture\n"
        "try: read_picture(b'no picture', param='photo')\n"
        "except Exception: print(limited._server._running[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    service = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    server = Path(f"/proc/{int(service.stdout)}")

    assert service.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while server.exists() and "Z" not in server.joinpath("stat").read_text().split(")")[1]:
        assert time.monotonic() < deadline, "the server of children is still there"
        Limited(read)(b"", 1, param="photo")


def test_children_need_no_library_that_their_service_lacks():
    """PyAV is not in the image of a service that reads pictures alone."""
    code = "import sys, services.common.pictures, services.common.forkserver; sys.exit('av' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_may_be_started():
    assert Limited(start_threads)(b"", param="photo") == 6


@pytest.mark.parametrize(
    ("work", "told"),
    [(die, "SIGSEGV"), (hang, "takes over 1 s"), (drip, "takes over 1 s"), (swell, "memory")],
    ids=["dies", "hangs", "drips", "swells"],
)
def test_a_decoder_that_breaks_ends_alone_and_is_told(work: Any, told: str):
    began = time.monotonic()
    with pytest.raises(ProblemError, match=told) as caught:
        Limited(work, Limits(seconds=1 if work in (hang, drip) else 30))(b"", param="photo")

    assert caught.value.code == "unsupported_media"
    assert time.monotonic() - began < 20
    assert Limited(read)(b"still here", 1, param="photo") == b"still here"


@pytest.mark.parametrize(
    "what",
    [
        "a pickle",
        "too long",
        "no JSON",
        "deep JSON",
        "an array of addresses",
        "a negative array",
        "a huge array",
        "no such array",
        "nothing",
        "another type",
        "an odd problem",
    ],
)
def test_a_decoder_that_was_taken_over_is_not_believed(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProblemError) as caught:
        Limited(lie)(b"", what, param="photo")

    assert (caught.value.code, caught.value.param) == ("unsupported_media", "photo")
    assert not (tmp_path / "sprung").exists()


def test_an_answer_of_another_type_is_not_believed():
    with pytest.raises(ProblemError, match="went wrong"):
        Limited(bend)(b"", param="photo")
