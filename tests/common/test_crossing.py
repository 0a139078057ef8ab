"""What is sent comes out as it was; what lies is tested in ``test_limited``."""

import contextlib
import socket
import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from services.common.crossing import CrossingError, receive, send


@dataclass(frozen=True)
class Thing:
    name: str
    numbers: np.ndarray


def crossed(told: Any, most_bytes: int = 1 << 24) -> Any:
    ours, theirs = socket.socketpair()

    def hand_over() -> None:
        with contextlib.suppress(BrokenPipeError):  # who has all, or refuses the rest, closes
            send(theirs, told)

    with ours, theirs:
        sender = threading.Thread(target=hand_over)
        sender.start()
        try:
            return receive(ours, seconds=5, most_bytes=most_bytes)
        finally:
            ours.close()
            sender.join()


@pytest.mark.parametrize("told", [None, 1, 2.5, "text", True, [1, [2, "three"]], {"a": {"b": None}}, b"", b"bytes"])
def test_plain_values_come_out_as_they_were(told: Any):
    assert crossed(told) == told


def test_tuples_become_lists_dataclasses_mappings_and_fractions_text():
    told = crossed((1, Fraction(1, 3), Thing("t", np.arange(3))))

    assert told[:2] == [1, "1/3"]
    assert told[2]["name"] == "t"
    assert told[2]["numbers"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 3)), np.float32(1.5), np.ones((2, 2), bool), np.arange(24, dtype=">i2").reshape(2, 3, 4)[:, ::-1]],
    ids=["empty", "a number", "booleans", "a view"],
)
def test_arrays_come_out_as_they_were(array: Any):
    array = np.asarray(array)
    came = crossed(array)

    assert (came.dtype, came.shape) == (array.dtype, array.shape)
    assert np.array_equal(came, array)


def test_large_arrays_need_no_room_in_the_socket():
    assert crossed(np.full(1 << 20, 7)).sum() == 7 << 20


def test_more_than_is_allowed_is_refused():
    with pytest.raises(CrossingError, match="are left"):
        crossed([np.zeros(600, np.uint8), np.zeros(600, np.uint8)], most_bytes=1000)
