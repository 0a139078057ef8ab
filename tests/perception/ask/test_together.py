"""Several threads, one model."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.perception.ask.together import Together
from services.perception.ask.vision_language import Check, Said
from services.perception.segment.masks import Pixels
from tests.perception.ask.fake_vlm import FakeVlm


class Slow(FakeVlm):
    """Tells how bright a picture is; its first call waits to be let go, and ``calls`` are sizes of batches."""

    def __init__(self) -> None:
        super().__init__({})
        self.began, self.go = threading.Event(), threading.Event()
        self.calls: list[int] = []

    def ask(self, pictures: Sequence[Pixels], questions: Sequence[str], check: Check) -> list[list[Said]]:
        self.calls.append(len(pictures))
        self.began.set()
        assert self.go.wait(20)
        check()
        if any(int(picture[0, 0, 0]) == 255 for picture in pictures):
            raise RuntimeError("too bright")
        return [[Said(f"{question} {picture[0, 0, 0]}", 0.9) for question in questions] for picture in pictures]


def grey(value: int) -> Pixels:
    return np.full((4, 4, 3), value, np.uint8)


def nothing() -> None:
    """The caller is there."""


def gone() -> None:
    raise ProblemError("canceled", "the caller is gone")


class Crowd:
    """Callers behind a first one that holds the model."""

    def __init__(self) -> None:
        self.model = Slow()
        self.together = Together(self.model)
        self.pool = ThreadPoolExecutor(8)
        self.first = self.ask(1)
        assert self.model.began.wait(20)

    def ask(self, value: int, question: str = "q", count: int = 1, check: Check = nothing) -> Future[list[list[Said]]]:
        return self.pool.submit(self.together.ask, [grey(value)] * count, [question], check)

    def let_go(self, waiting: int) -> None:
        while len(self.together._waiting) < waiting:
            threading.Event().wait(0.01)
        self.model.go.set()


def words(future: Future[list[list[Said]]]) -> list[str]:
    return [row[0].text for row in future.result(20)]


def test_those_who_wait_with_the_same_questions_share_a_batch():
    crowd = Crowd()
    others = [crowd.ask(2), crowd.ask(3, count=2), crowd.ask(4, "other")]
    crowd.let_go(waiting=3)
    assert words(crowd.first) == ["q 1"]
    assert [words(one) for one in others] == [["q 2"], ["q 3", "q 3"], ["other 4"]]
    assert sorted(crowd.model.calls) == [1, 1, 3]


def test_a_caller_who_left_takes_nobody_along():
    crowd = Crowd()
    stays, leaves = crowd.ask(2), crowd.ask(3, check=gone)
    crowd.let_go(waiting=2)
    assert words(stays) == ["q 2"]
    with pytest.raises(ProblemError):
        leaves.result(20)


def test_a_batch_of_which_everybody_left_is_not_finished():
    crowd = Crowd()
    leave = [crowd.ask(2, check=gone), crowd.ask(3, check=gone)]
    crowd.let_go(waiting=2)
    for one in leave:
        with pytest.raises(ProblemError, match="gone"):
            one.result(20)


def test_a_failure_is_told_to_each_of_its_batch_and_the_next_is_answered():
    crowd = Crowd()
    broken = [crowd.ask(255), crowd.ask(2)]
    crowd.let_go(waiting=2)
    for one in broken:
        with pytest.raises(RuntimeError, match="too bright"):
            one.result(20)
    assert words(crowd.ask(7)) == ["q 7"]
