import pytest

from services.perception.memory import Memory


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail() -> str:
    raise ValueError("no result")


def test_what_is_known_is_not_made_again():
    memory = Memory(2, 10)
    assert memory.recall("a", lambda: "first") == memory.recall("a", lambda: "second") == "first"


def test_the_least_used_is_forgotten_first():
    memory = Memory(2, 10)
    for key in ("a", "b", "a", "c"):
        memory.recall(key, lambda key=key: key)
    assert memory.recall("a", lambda: "again") == "a"
    assert memory.recall("b", lambda: "again") == "again"


def test_what_is_old_is_forgotten():
    clock = Clock()
    memory = Memory(2, 10, clock)
    memory.recall("a", lambda: "first")
    clock.now = 10.5
    assert memory.recall("a", lambda: "second") == "second"


def test_all_is_forgotten_on_demand():
    memory = Memory(5, 10)
    memory.recall("a", lambda: 1)
    assert (memory.erase(), len(memory)) == (1, 0)


def test_a_memory_without_room_keeps_nothing():
    memory = Memory(0, 10)
    assert [memory.recall("a", lambda n=n: n) for n in (1, 2)] == [1, 2] and len(memory) == 0


def test_a_failure_is_not_remembered():
    memory = Memory(2, 10)
    with pytest.raises(ValueError, match="no result"):
        memory.recall("a", fail)
    assert memory.recall("a", lambda: "made") == "made"
