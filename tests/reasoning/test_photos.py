"""Annotated photos told by a perception service that runs: a fake behind real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.processes import free_ports
from services.common.annotations import LABELS, AnnotatedPhoto, read_annotations
from services.common.errors import ProblemError
from services.reasoning.photos import tell_photos
from tests.gateway.fakes import Fakes, serve_fakes
from tests.gateway.made_media import picture


@pytest.fixture
def perception() -> Iterator[Fakes]:
    (port,) = free_ports(1)
    with serve_fakes(port) as fakes:
        yield fakes


def photos(folder: Path, *lines: str) -> list[AnnotatedPhoto]:
    for name, shows in {"a.jpg": "people=2", "b.jpg": "people=3", "torn.jpg": "broken"}.items():
        (folder / name).write_bytes(picture(shows))
    return read_annotations("\n".join(lines), "list.txt", LABELS["pisc"])


def test_each_pair_becomes_a_story_of_its_photo(tmp_path: Path, perception: Fakes):
    listed = photos(tmp_path, "a.jpg 0 0 1 9 1 0 2 9 0", "b.jpg 0 0 1 9 1 0 2 9 1", "b.jpg 1 0 2 9 2 0 3 9 2")
    heard: list[str] = []
    stories = tell_photos(listed, tmp_path, perception.url, heard.append)
    assert [(story.image, story.pair, story.label) for story in stories] == [
        ("a.jpg", ("P1", "P2"), "friends"),
        ("b.jpg", ("P1", "P2"), "family"),
        ("b.jpg", ("P2", "P3"), "couple"),
    ]
    assert "<P3>" in stories[2].story and perception.looks == 2 and heard == []


def test_what_cannot_be_told_is_left_out_and_heard_of(tmp_path: Path, perception: Fakes):
    lost = "b.jpg 0 0 1 9 40 0 60 9 0"
    listed = photos(
        tmp_path, "a.jpg 0 0 1 9 1 0 2 9 0", "torn.jpg 0 0 1 9 1 0 2 9 0", "away.jpg 0 0 1 9 1 0 2 9 0", lost
    )
    heard: list[str] = []
    assert len(tell_photos(listed, tmp_path, perception.url, heard.append)) == 1
    assert [line.partition(": ")[0].rsplit("/", 1)[1] for line in heard] == ["torn.jpg", "away.jpg", "b.jpg"]
    assert "cannot be decoded" in heard[0] and "no such file" in heard[1] and "1 pairs" in heard[2]


def test_where_none_is_told_it_says_so(tmp_path: Path, perception: Fakes):
    with pytest.raises(ProblemError, match="none of those in"):
        tell_photos(photos(tmp_path, "torn.jpg 0 0 1 9 1 0 2 9 0"), tmp_path, perception.url, lambda _: None)


def test_a_service_that_is_away_is_no_fault_of_a_photo(tmp_path: Path):
    (port,) = free_ports(1)
    with pytest.raises(ProblemError, match="perception cannot be reached"):
        tell_photos(photos(tmp_path, "a.jpg 0 0 1 9 1 0 2 9 0"), tmp_path, f"http://127.0.0.1:{port}", lambda _: None)
