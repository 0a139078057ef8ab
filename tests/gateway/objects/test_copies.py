"""Copies are bounded, shared by who reads them, and nowhere to be found."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from gateway.objects.copies import Copies


@pytest.fixture
def fetched() -> list[str]:
    return []


@pytest.fixture
def fetch(fetched: list[str]) -> Callable[[str], Callable[[IO[bytes]], None]]:
    """Writes ten bytes, and keeps count."""

    def of(name: str) -> Callable[[IO[bytes]], None]:
        def write(target: IO[bytes]) -> None:
            fetched.append(name)
            target.write(name.encode().rjust(10))

        return write

    return of


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[int], Copies]]:
    """Copies of so many bytes at most; gone at the end of the test."""
    made: list[Copies] = []

    def of(max_bytes: int) -> Copies:
        made.append(Copies(tmp_path, max_bytes))
        return made[-1]

    yield of
    for copies in made:
        copies.let_go(0)


def open_copies(folder: Path) -> int:
    """Files of this process that lie in ``folder``, with a name or without."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        try:
            count += str(each.readlink()).startswith(f"{folder}/")
        except FileNotFoundError:  # that of the list itself
            continue
    return count


def test_a_copy_is_made_once_and_read_by_all(make, tmp_path: Path, fetch, fetched: list[str]):
    copies = make(100)

    with copies.held("a", fetch("a")) as first, copies.held("a", fetch("a")) as second:
        assert first.read_bytes() == second.read_bytes() == b"         a"
    with copies.held("a", fetch("a")):
        assert list(tmp_path.iterdir()) == []  # no name, and nothing left by a kill

    assert fetched == ["a"]


def test_the_longest_unread_go_first_when_there_are_too_many(make, tmp_path: Path, fetch, fetched: list[str]):
    copies = make(20)
    for name in ("a", "b", "a", "c"):
        with copies.held(name, fetch(name)):
            pass
    assert open_copies(tmp_path) == 2

    for name in ("a", "c", "b"):
        with copies.held(name, fetch(name)):
            pass

    assert fetched == ["a", "b", "c", "b"]


def test_what_is_read_stays_whatever_it_takes(make, tmp_path: Path, fetch):
    copies = make(0)

    with copies.held("a", fetch("a")) as a, copies.held("b", fetch("b")) as b:
        copies.let_go(0)
        assert (a.read_bytes().strip(), b.read_bytes().strip()) == (b"a", b"b")

    assert open_copies(tmp_path) == 0


def test_what_is_dropped_while_it_is_read_goes_with_its_last_reader(make, tmp_path: Path, fetch, fetched: list[str]):
    copies = make(100)

    with copies.held("a", fetch("a")) as path:
        copies.drop(lambda name: name == "a")
        assert path.read_bytes().strip() == b"a"
        assert open_copies(tmp_path) == 1
    assert open_copies(tmp_path) == 0

    with copies.held("a", fetch("a")):
        assert fetched == ["a", "a"]


def test_what_nobody_reads_is_let_go(make, tmp_path: Path, fetch):
    copies = make(100)
    with copies.held("a", fetch("a")):
        pass

    copies.let_go(3600)
    assert open_copies(tmp_path) == 1
    copies.let_go(0)
    assert open_copies(tmp_path) == 0


def test_a_reader_that_was_forgotten_holds_nothing(make, tmp_path: Path, fetch):
    """As when a call is canceled while a thread of it opens the copy."""
    copies = make(100)
    forgotten = copies.held("a", fetch("a"))
    forgotten.__enter__()
    del forgotten

    copies.let_go(0)

    assert open_copies(tmp_path) == 0


def test_a_copy_that_could_not_be_fetched_is_none(make, tmp_path: Path, fetch, fetched: list[str]):
    copies = make(100)

    def fail(target: IO[bytes]) -> None:
        target.write(b"half")
        raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        copies.held("a", fail).__enter__()

    assert open_copies(tmp_path) == 0
    with copies.held("a", fetch("a")) as path:
        assert path.read_bytes().strip() == b"a"
