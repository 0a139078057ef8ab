"""Real worker processes; what they make is drawn, so that nothing is slow but their start."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.footage.made import Account, Made
from services.talkinghead.footage.prepare import Piece, PrepareError, prepare, read_accounts, write_whole
from services.talkinghead.footage.report import contact_sheet, in_words, report
from services.talkinghead.footage.shard import Footage, shard_bytes
from tests.talkinghead.footage.artist import draw, load_artist, load_artist_on_a_full_disk, load_mortal

PIECES = [Piece(f"piece-{n}", "test" if n == 3 else "train", n) for n in range(4)]


def run(out: Path, load: Callable[[], Callable[[int], Made]] = load_artist, **settings: object) -> list[Account]:
    return prepare(PIECES, out, load, settings=settings, workers=2, tell=lambda *_: None)


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_run_that_was_killed_goes_on_and_a_full_disk_leaves_nothing_half_written(tmp_path: Path):
    out = tmp_path / "set"
    with pytest.raises(PrepareError, match=r"piece-\d cannot be written to .* \(File too large\); make room and run"):
        run(out, load_artist_on_a_full_disk)
    assert [name for name in files(out) if name.startswith(("train", "test"))] == []

    with pytest.raises(PrepareError, match="a worker was killed"):
        run(out, partial(load_mortal, tmp_path / "marker"))
    before = {name: when for name, when in files(out).items() if name.endswith(".json")}
    assert "accounts/piece-3.json" not in before
    (out / "train" / "piece-9.safetensors.unfinished").write_bytes(b"half")

    accounts = run(out, partial(load_mortal, tmp_path / "marker"))
    assert [account.piece for account in accounts] == [piece.name for piece in PIECES]
    after = files(out)
    assert before.items() <= after.items()  # made once
    assert {name.split("/")[0] for name in after} == {"accounts", "settings.json", "train", "test"}
    assert not any("unfinished" in name for name in after)
    assert [clip.name for clip in Footage(out, "train")] == ["0-0", "0-1", "1-0", "1-1"]
    assert [clip.identity for clip in Footage(out, "test")] == ["person 3"] * 2

    run(out)
    assert files(out) == after  # nothing left to do


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """A set as a run leaves it."""
    for name in ("train", "test", "accounts"):
        (tmp_path / name).mkdir()
    for piece in PIECES:
        made = draw(piece.what)
        if made.clips:
            write_whole(tmp_path / piece.split / f"{piece.name}.safetensors", shard_bytes(made.clips))
        told = json.loads(made.account.to_json())
        told |= {"piece": piece.name, "split": piece.split, "clips": len(made.clips)}
        told["people"] = sorted({clip.identity for clip in made.clips})
        write_whole(tmp_path / "accounts" / f"{piece.name}.json", json.dumps(told).encode())
    return tmp_path


def test_a_set_keeps_the_settings_it_was_begun_with(small_set: Path):
    run(small_set, square_px=128)
    with pytest.raises(PrepareError, match="was begun with square_px = 128, this run has 256"):
        run(small_set, square_px=256)


def test_two_runs_do_not_share_a_folder(small_set: Path):
    with pytest.raises(PrepareError, match="is being prepared by another run"):
        prepare(
            [*PIECES[:1], Piece("more", "train", 1)],
            small_set,
            load_artist,
            settings={},
            workers=1,
            tell=lambda *_: run(small_set),
        )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(PrepareError, match="file cannot be written"):
        run(tmp_path / "file")


def test_the_report_adds_up(small_set: Path):
    told = report(read_accounts(small_set))
    assert told["parts"] == {
        "train": {"clips": 4, "people": 2, "kept_s": 8.0},
        "test": {"clips": 2, "people": 1, "kept_s": 4.0},
    }
    assert (told["sources"], told["seen_s"], told["kept_s"]) == (4, 15.0, 12.0)
    assert told["left_out_s"] == {"a cut": 3.0}
    assert told["refused"] == [{"piece": "piece-2", "reason": "two.mp4: the video has no sound"}]
    words = in_words(told).splitlines()
    assert words[0] == "4 sources, 0:00:15 seen, 0:00:12 kept (80 %)"
    assert "  0:00:03 (20 %)  a cut" in words
    assert "  two.mp4: the video has no sound" in words


def test_the_contact_sheet_shows_each_person_from_shut_to_open(small_set: Path):
    sheet = contact_sheet(small_set)
    assert sheet.shape == (96, 4 * 4 * 96, 3)  # three people and an empty place
    assert not sheet[:, 3 * 4 * 96 :].any()
    shown = sheet[:, : 4 * 96].reshape(96, 4, 96, 3).astype(int)
    teeth = (shown.min(-1) > 240).sum((0, 2))
    assert (np.diff(teeth) > 20).all()
