from pathlib import Path

import pytest

from services.talkinghead.footage.takes import (
    TakesError,
    by_list,
    find_takes,
    identity_of,
    people_of_list,
    pieces_of,
    split_by_hash,
)


@pytest.fixture
def hdtf(tmp_path: Path) -> Path:
    """HDTF's folder: its lists, and some of its videos as downloaded."""
    lists = tmp_path / "HDTF_dataset"
    lists.mkdir()
    (lists / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-01:00 01:30-02:30\nRadio12.mp4 00:25-01:00\n")
    (lists / "RD_crop_wh.txt").write_text("Radio11_0.mp4 342 591 12 591\nRadio12_0.mp4 1 2 3 2\n")
    (lists / "WDA_annotion_time.txt").write_text("JackReed0.mp4 00:05-01:40\n")
    (lists / "WDA_crop_wh.txt").write_text("JackReed0_0.mp4 251 603 0 603\n")
    (tmp_path / "videos").mkdir()
    for name in ("Radio11.mp4", "WDA_JackReed0.mp4", "unrelated.mp4"):
        (tmp_path / "videos" / name).touch()
    return tmp_path


def test_hdtf_lists_give_spans_and_windows_of_the_videos_that_are_there(hdtf: Path):
    takes = find_takes([hdtf])
    assert [(t.name, t.identity, t.start_s, t.end_s, t.window) for t in takes] == [
        ("RD_Radio11_000", "RD_Radio11", 30.0, 60.0, (342, 12, 591, 591)),  # take 1 has no window: left out
        ("WDA_JackReed0_000", "WDA_JackReed", 5.0, 100.0, (251, 0, 603, 603)),
    ]
    assert takes[1].path.name == "WDA_JackReed0.mp4"


def test_takes_that_are_cut_already_are_taken_whole(hdtf: Path):
    (hdtf / "videos" / "RD_Radio11_000.mp4").touch()
    take = find_takes([hdtf])[0]
    assert (take.path.name, take.start_s, take.end_s, take.window) == ("RD_Radio11_000.mp4", 0.0, None, None)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("RD_annotion_time.txt", "Radio11.mp4 00:30-0100\n", "'00:30-0100' should be a span of time"),
        ("RD_annotion_time.txt", "Radio11.mp4 00:30-00:20\n", "ends before it begins"),
        ("RD_crop_wh.txt", "Radio11_0.mp4 342 591 x 591\n", "four numbers"),
    ],
)
def test_a_bad_list_is_named(hdtf: Path, file: str, text: str, said: str):
    (hdtf / "HDTF_dataset" / file).write_text(text)
    with pytest.raises(TakesError, match=said) as error:
        find_takes([hdtf])
    assert file in str(error.value)


def test_folders_are_searched_and_files_named_by_their_place(tmp_path: Path):
    (tmp_path / "ann lee").mkdir()
    for name in ("ann lee/a.mp4", "b.MOV", "notes.txt"):
        (tmp_path / name).touch()
    assert [take.name for take in find_takes([tmp_path, tmp_path / "b.MOV"])] == ["ann-lee-a", "b"]


def test_sources_that_are_no_videos_are_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    for source, said in (("nowhere", "does not exist"), ("empty", "no video in"), ("a.txt", "ends in none of")):
        with pytest.raises(TakesError, match=said) as error:
            find_takes([tmp_path / source])
        assert str(tmp_path / source) in str(error.value)


def test_two_files_of_one_name_are_refused(tmp_path: Path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").touch()
    with pytest.raises(TakesError, match="would both be called 'a'"):
        find_takes([tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4"])


def test_people_are_told_by_hdtf_names():
    assert identity_of("WDA_JackReed0_000") == identity_of("WDA_JackReed1_003") == "WDA_JackReed"
    assert identity_of("RD_Radio3_000") != identity_of("RD_Radio34_000") == identity_of("RD_Radio34_007")
    assert identity_of("holiday_2024") == "holiday_2024"


def test_one_in_ten_is_held_out_and_nobody_changes_sides():
    people = [f"person {n}" for n in range(2000)]
    parts = [split_by_hash(who) for who in people]
    assert 150 < parts.count("test") < 250
    assert parts == [split_by_hash(who) for who in people]


def test_a_list_of_training_videos_holds_all_takes_of_a_person(tmp_path: Path):
    listed = tmp_path / "train_name.txt"
    listed.write_text("/mnt/data/HDTF/video_fps/RD_Radio34_003.mp4\nD:\\HDTF\\WRA_JonKyl_000.mp4\n\n")
    people = people_of_list(listed)
    assert people == {"RD_Radio34", "WRA_JonKyl"}
    assert [by_list(who, people) for who in ("RD_Radio34", "RD_Radio3")] == ["train", "test"]


def test_a_list_that_names_nothing_is_refused(tmp_path: Path):
    (tmp_path / "list.txt").write_text("\n")
    for name, said in (("list.txt", "names no video"), ("nowhere.txt", "cannot be read")):
        with pytest.raises(TakesError, match=said):
            people_of_list(tmp_path / name)


def test_long_takes_come_in_equal_pieces(hdtf: Path):
    take = find_takes([hdtf])[1]
    pieces = list(pieces_of(take, 1000.0, 40.0))
    assert [(p.name, p.start_s, p.end_s) for p in pieces] == [
        ("WDA_JackReed0_000-000", 5.0, 36.67),
        ("WDA_JackReed0_000-001", 36.67, 68.33),
        ("WDA_JackReed0_000-002", 68.33, 100.0),
    ]
    assert [(p.name, p.end_s) for p in pieces_of(take, 20.0, 40.0)] == [("WDA_JackReed0_000", 20.0)]
