import asyncio
import threading

import pytest

from services.common.errors import ProblemError
from services.common.runner import ModelRunner, Stop


class Connection:
    """Stands for a request: only its connection matters to the runner."""

    def __init__(self) -> None:
        self.gone = False

    async def is_disconnected(self) -> bool:
        return self.gone


async def test_work_runs_and_answers() -> None:
    assert await ModelRunner(queue_length=1).run(Connection(), lambda stop: 6 * 7) == 42


async def test_a_full_queue_refuses_at_once() -> None:
    runner, hold = ModelRunner(queue_length=2), threading.Event()
    waiting = [asyncio.create_task(runner.run(Connection(), lambda stop: hold.wait())) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(ProblemError, match="2 requests wait already") as error:
        await runner.run(Connection(), lambda stop: None)
    assert error.value.kind.status == 503

    hold.set()
    assert await asyncio.gather(*waiting) == [True, True]


async def test_work_stops_at_its_next_step_once_the_caller_is_gone() -> None:
    runner, caller, steps = ModelRunner(queue_length=1), Connection(), 0

    def work(stop: Stop) -> None:
        nonlocal steps
        caller.gone = True
        while True:
            stop.check()
            steps += 1
            threading.Event().wait(0.01)

    with pytest.raises(ProblemError) as error:
        await asyncio.wait_for(runner.run(caller, work), timeout=30)
    assert error.value.code == "canceled"
    assert steps > 0


async def test_a_caller_that_left_while_waiting_costs_nothing() -> None:
    runner, hold, ran = ModelRunner(queue_length=2), threading.Event(), []
    first = asyncio.create_task(runner.run(Connection(), lambda stop: hold.wait()))
    left = Connection()
    left.gone = True
    second = asyncio.create_task(runner.run(left, lambda stop: ran.append(1)))
    await asyncio.sleep(0.3)  # longer than the runner's look at the connection
    hold.set()

    with pytest.raises(ProblemError):
        await second
    await first
    assert ran == []


async def test_work_made_for_several_threads_runs_at_once() -> None:
    both = threading.Barrier(2)
    runner = ModelRunner(4, threads=2)
    try:
        await asyncio.gather(*(runner.run(Connection(), lambda stop: both.wait(20)) for _ in range(2)))
    finally:
        runner.close()
