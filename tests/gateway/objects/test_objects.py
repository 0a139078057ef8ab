"""What holds for every store of files."""

import threading
import time

import pytest

from gateway.objects import bucket
from gateway.objects.port import Objects

CONTENT = bytes(range(256)) * 1000


def names(objects: Objects, folder: str) -> list[str]:
    return sorted(name for name, _ in objects.under(folder))


def test_what_is_written_is_read_whole_and_in_parts(objects: Objects):
    objects.write("files/a", CONTENT)

    assert objects.read("files/a") == CONTENT
    assert b"".join(objects.blocks("files/a", 0, len(CONTENT))) == CONTENT
    assert b"".join(objects.blocks("files/a", 300, 70_000)) == CONTENT[300:70_300]
    assert b"".join(objects.blocks("files/a", len(CONTENT) - 3)) == CONTENT[-3:]
    with objects.copy("files/a") as path, path.open("rb") as file:
        file.seek(-5, 2)
        assert file.read() == CONTENT[-5:]


def test_what_is_written_again_is_read_anew(objects: Objects):
    objects.write("jobs/a/scores.json", b"one")
    assert objects.read("jobs/a/scores.json") == b"one"

    objects.write("jobs/a/scores.json", b"two")

    assert objects.read("jobs/a/scores.json") == b"two"


def test_what_is_empty_is_there(objects: Objects):
    objects.write("files/a", b"")

    assert (objects.has("files/a"), objects.read("files/a")) == (True, b"")


def test_a_draft_is_nothing_until_it_is_whole(objects: Objects):
    with objects.draft("files/a") as draft:
        draft.write_bytes(b"half")
        assert not objects.has("files/a")

    assert objects.read("files/a") == b"half"


def test_a_draft_that_fails_leaves_what_was_there(objects: Objects):
    objects.write("files/a", b"before")

    for name in ("files/a", "files/b"):
        with pytest.raises(ValueError, match="in the middle"), objects.draft(name) as draft:
            draft.write_bytes(b"half")
            raise ValueError("in the middle")

    assert names(objects, "files") == ["a"]
    assert objects.read("files/a") == b"before"


def test_writers_of_one_name_do_not_mix(objects: Objects):
    each = [bytes([number]) * 100_000 for number in range(4)]
    seen: list[bytes] = []
    objects.write("files/a", each[0])

    def write(content: bytes) -> None:
        for _ in range(5):
            objects.write("files/a", content)

    writers = [threading.Thread(target=write, args=[content]) for content in each]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.append(objects.read("files/a"))
    for writer in writers:
        writer.join()

    assert {*seen, objects.read("files/a")} <= set(each)
    assert names(objects, "files") == ["a"]


def test_what_is_not_there_is_told_at_once(objects: Objects):
    objects.write("files/b", b"")

    assert not objects.has("files/a")
    for ask in (
        lambda: objects.read("files/a"),
        lambda: objects.blocks("files/a", 0, 10),  # before anything is taken from it
        lambda: objects.copy("files/a").__enter__(),
        lambda: objects.move("files/a", "files/c"),
    ):
        with pytest.raises(FileNotFoundError):
            ask()
    objects.remove(["files/a", "files/b"])
    objects.remove_folder("jobs/nobody")
    assert names(objects, "files") == objects.folders("jobs") == []


def test_what_is_moved_is_in_one_place(objects: Objects):
    objects.write("jobs/a/signed.mp4", CONTENT)

    objects.move("jobs/a/signed.mp4", "files/b")

    assert objects.read("files/b") == CONTENT
    assert not objects.has("jobs/a/signed.mp4")


def test_folders_tell_what_is_in_them_and_since_when(objects: Objects):
    before = time.time() - 2  # a store's clock may count whole seconds
    for name in ("jobs/a/portrait.json", "jobs/a/segments/000000.bin", "jobs/b/question.json", "jobs.json"):
        objects.write(name, b"x")

    assert sorted(objects.folders("jobs")) == ["a", "b"]
    assert names(objects, "jobs/a") == ["portrait.json", "segments/000000.bin"]
    assert before < objects.changed_at("jobs/a") < time.time() + 2
    assert all(before < at < time.time() + 2 for _, at in objects.under("jobs/a"))
    assert objects.changed_at("jobs/c") == 0


def test_what_is_removed_is_gone_with_all_below_it_and_nothing_else(objects: Objects, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bucket, "_REMOVED_AT_ONCE", 2)
    for number in range(5):
        objects.write(f"jobs/a/segments/{number}", b"x")
        objects.write(f"files/{number}", b"x")
    objects.write("jobs/ab/question.json", b"x")
    with objects.copy("jobs/a/segments/0"), objects.copy("files/0"):
        pass

    objects.remove_folder("jobs/a")
    objects.remove(f"files/{number}" for number in range(4))

    assert objects.folders("jobs") == ["ab"]
    assert names(objects, "files") == ["4"]
    for name in ("jobs/a/segments/0", "files/0"):
        with pytest.raises(FileNotFoundError):
            objects.copy(name).__enter__()


def test_a_folder_is_emptied_but_for_what_is_to_stay_in_it(objects: Objects):
    for name in ("question.json", "photo", "portrait.json", "segments/photo"):
        objects.write(f"jobs/a/{name}", b"x")

    objects.remove_folder("jobs/a", but=("question.json", "photo"))
    assert names(objects, "jobs/a") == ["photo", "question.json"]

    objects.remove_folder("jobs/a", but=("portrait.json",))
    assert objects.folders("jobs") == []


def test_a_folder_goes_to_one_other_name_and_is_as_if_new(objects: Objects):
    objects.write("jobs/a/question.json", b"why")
    objects.write("jobs/a/segments/000000.bin", CONTENT)

    before = time.time() - 2  # a store's clock may count whole seconds
    assert objects.move_folder("jobs/a", "jobs/b") is True
    assert objects.move_folder("jobs/a", "jobs/c") is False

    assert objects.folders("jobs") == ["b"]
    assert objects.read("jobs/b/question.json") == b"why"
    assert objects.read("jobs/b/segments/000000.bin") == CONTENT
    assert objects.changed_at("jobs/b") > before


def test_what_is_read_in_place_can_be_read_while_it_is_erased(objects: Objects):
    objects.write("files/a", CONTENT)

    with objects.copy("files/a") as path, path.open("rb") as file:
        objects.remove(["files/a"])
        assert file.read() == CONTENT


def test_it_can_be_used(objects: Objects):
    objects.ping()
    objects.let_go(0)
