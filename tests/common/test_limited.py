"""What a child that decodes strangers' bytes can and cannot do."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from services.common.errors import ProblemError
from services.common.limited import Limits, run_limited


def read(stream: BinaryIO, times: int) -> bytes:
    return stream.read() * times


def refuse(_stream: BinaryIO) -> None:
    raise ProblemError("no_face", "photo: none", param="photo", faces=0)


def break_out(_stream: BinaryIO, way: str) -> str:
    """The error that a way out gives; an empty text where it works."""
    ways: dict[str, Any] = {
        "read a file": lambda: Path("/etc/passwd").read_bytes(),
        "write a file": lambda: Path("/tmp/broken-out").write_bytes(b"x"),  # noqa: S108
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "become a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
    }
    try:
        ways[way]()
    except OSError as error:
        return type(error).__name__
    return ""


def die(_stream: BinaryIO) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(_stream: BinaryIO) -> None:
    time.sleep(600)


def swell(_stream: BinaryIO) -> int:
    return len(bytearray(8 << 30))


@pytest.mark.parametrize("as_file", [False, True])
def test_the_answer_comes_back(tmp_path: Path, as_file: bool):
    (tmp_path / "source").write_bytes(b"abc")

    assert run_limited(read, tmp_path / "source" if as_file else b"abc", 2, param="photo") == b"abcabc"


def test_a_problem_comes_back_as_it_was_raised():
    with pytest.raises(ProblemError) as caught:
        run_limited(refuse, b"", param="photo")

    assert (caught.value.code, caught.value.param, caught.value.extra) == ("no_face", "photo", {"faces": 0})


@pytest.mark.parametrize("way", ["read a file", "write a file", "connect", "run a program", "become a program"])
def test_there_is_no_way_out(way: str):
    assert run_limited(break_out, b"", way, param="photo") == "PermissionError"


@pytest.mark.parametrize(
    ("work", "told"), [(die, "SIGSEGV"), (hang, "takes over 1 s"), (swell, "memory")], ids=["dies", "hangs", "swells"]
)
def test_a_decoder_that_breaks_ends_alone_and_is_told(work: Any, told: str):
    with pytest.raises(ProblemError, match=told) as caught:
        run_limited(work, b"", limits=Limits(seconds=1 if work is hang else 30), param="photo")

    assert caught.value.code == "unsupported_media"
    assert run_limited(read, b"still here", 1, param="photo") == b"still here"
