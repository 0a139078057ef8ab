"""Inputs are held by their content, within bounds, and leave nothing behind."""

import hashlib
import io
import os
import signal
import subprocess
import sys

import pytest

from services.common.errors import ProblemError
from services.talkinghead import held
from services.talkinghead.held import HeldInputs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def erased() -> list[str]:
    return []


@pytest.fixture
def inputs(tmp_path, clock, erased):
    holder = HeldInputs(tmp_path / "inputs", max_bytes=100, idle_s=60, on_erased=erased.append, clock=clock)
    yield holder
    holder.close()


def hold(inputs: HeldInputs, content: bytes) -> str:
    return inputs.hold(io.BytesIO(content), "portrait")


def is_held(inputs: HeldInputs, sha256: str) -> bool:
    try:
        inputs.open(sha256, "portrait").close()
    except ProblemError as error:
        assert (error.code, error.param) == ("input_missing", "portrait")
        return False
    return True


def test_what_was_held_is_read_by_its_hash(inputs):
    sha256 = hold(inputs, b"a face")
    assert sha256 == hashlib.sha256(b"a face").hexdigest()
    with inputs.open(sha256, "portrait") as file:
        assert file.read() == b"a face"
        assert (file.seek(-4, os.SEEK_END), file.read(2)) == (2, b"fa")


def test_two_readers_do_not_move_each_other(inputs):
    sha256 = hold(inputs, b"0123456789")
    with inputs.open(sha256, "portrait") as one, inputs.open(sha256, "portrait") as other:
        assert (one.read(4), other.read(2), one.read(2)) == (b"0123", b"01", b"45")


def test_the_same_content_is_held_once(inputs, erased):
    assert hold(inputs, b"x" * 60) == hold(inputs, b"x" * 60)
    assert (inputs.size_bytes, erased) == (60, [])


def test_what_was_used_longest_ago_makes_room(inputs, erased):
    first, second = hold(inputs, b"1" * 40), hold(inputs, b"2" * 40)
    assert is_held(inputs, first)  # and is now the one used last
    third = hold(inputs, b"3" * 40)
    assert [is_held(inputs, each) for each in (first, second, third)] == [True, False, True]
    assert (inputs.size_bytes, erased) == (80, [second])


def test_their_number_is_bounded_too(inputs, monkeypatch):
    monkeypatch.setattr(held, "MOST_HELD", 2)
    hashes = [hold(inputs, bytes([number])) for number in range(3)]
    assert [is_held(inputs, each) for each in hashes] == [False, True, True]


def test_a_file_larger_than_all_may_be_is_refused_and_drives_nothing_out(inputs):
    kept = hold(inputs, b"kept")
    with pytest.raises(ProblemError) as caught:
        hold(inputs, b"x" * 101)
    assert caught.value.code == "too_large"
    assert is_held(inputs, kept)


def test_what_nobody_uses_is_erased(inputs, clock, erased):
    old = hold(inputs, b"old")
    clock.now = 50
    young = hold(inputs, b"young")
    clock.now = 70
    inputs.erase_idle()
    assert erased == [old]
    assert [is_held(inputs, each) for each in (old, young)] == [False, True]


def test_erasing_does_not_disturb_who_reads(inputs):
    sha256 = hold(inputs, b"a face")
    with inputs.open(sha256, "portrait") as file:
        inputs.erase(sha256)
        assert not is_held(inputs, sha256)
        assert file.read() == b"a face"
    inputs.erase(sha256)  # again: no matter


def test_no_file_has_a_name_and_a_killed_process_leaves_none(tmp_path):
    script = f"""
import io, pathlib, sys, time
from services.talkinghead.held import HeldInputs
inputs = HeldInputs(pathlib.Path({str(tmp_path)!r}), max_bytes=1000, idle_s=60)
inputs.hold(io.BytesIO(b"a face"), "portrait")
print("held", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert list(tmp_path.iterdir()) == []
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []
