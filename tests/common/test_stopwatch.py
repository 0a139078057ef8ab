import pytest

from services.common.errors import ProblemError
from services.common.stopwatch import Stopwatch


def test_time_of_a_stage_is_added_up_even_where_it_fails(monkeypatch: pytest.MonkeyPatch):
    moments = iter([0.0, 1.0, 10.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    clock = Stopwatch()
    with clock.stage("look"):
        pass
    with pytest.raises(RuntimeError), clock.stage("look"):
        raise RuntimeError
    assert clock.seconds == {"look": 3.5}


def test_a_stage_is_not_begun_once_the_caller_is_gone():
    def gone() -> None:
        raise ProblemError("canceled", "the caller is gone")

    clock = Stopwatch(gone)
    with pytest.raises(ProblemError), clock.stage("look"):
        pytest.fail("it was begun")
    assert clock.seconds == {}
