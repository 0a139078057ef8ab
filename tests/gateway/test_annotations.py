from pathlib import Path

import pytest

from gateway.annotations import LABELS, overlap, read_annotations
from services.common.errors import ProblemError
from services.perception.schemas import Person
from services.reasoning.taxonomy import builtin_taxonomies


def listed(folder: Path, *lines: str) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_label_numbers_are_the_places_in_the_taxonomies():
    for name, labels in LABELS.items():
        assert labels == tuple(label.name for label in builtin_taxonomies()[name].labels)


def test_pairs_of_one_photo_share_its_people(tmp_path: Path):
    path = listed(
        tmp_path,
        "a.jpg 0 0 10 20 30 0 40 20 4",
        "b.jpg 1 1 5 5 6 1 9 5 7",
        "",
        "a.jpg 30 0 40 20 60 0 70 20 5",
    )
    first, second = read_annotations(path, LABELS["pipa"])
    assert first.boxes == [(0, 0, 10, 20), (30, 0, 40, 20), (60, 0, 70, 20)]
    assert first.pairs == [(0, 1, "friends"), (1, 2, "siblings")]
    assert second.image == "b.jpg" and second.pairs == [(0, 1, "lovers/spouses")]


def test_a_seen_photo_becomes_a_labelled_story_for_each_pair(tmp_path: Path):
    path = listed(tmp_path, "a.jpg 0 0 10 20 30 0 40 20 0", "a.jpg 30 0 40 20 60 0 70 20 1")
    (photo,) = read_annotations(path, LABELS["pisc"])
    boxes = {"P1": (61, 0, 70, 20), "P2": (0, 0, 10, 19), "P3": (30, 1, 40, 20)}
    people = [Person(symbol=symbol, box=box, score=1.0, attributes={}) for symbol, box in boxes.items()]
    stories = photo.stories(people, "<P1>, <P2>, <P3>.")
    assert [(story.pair, story.label, story.image) for story in stories] == [
        (("P2", "P3"), "friends", "a.jpg"),
        (("P3", "P1"), "family", "a.jpg"),
    ]
    assert len({story.id for story in stories}) == 2


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("a.jpg 0 0 10 20 30 0 40 20", "it has 9 columns"),
        ("a.jpg 0 0 10 x 30 0 40 20 1", "no number"),
        ("a.jpg 0 0 10 20 30 0 40 20 6", "label 6 is not one of 0 to 5"),
        ("a.jpg 10 0 0 20 30 0 40 20 1", "has no area"),
        ("a.jpg 0 0 10 20 0 0 10 20 1", "one person"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_rule(tmp_path: Path, line: str, rule: str):
    path = listed(tmp_path, "a.jpg 0 0 10 20 30 0 40 20 1", line)
    with pytest.raises(ProblemError, match=rf"list\.txt:2: .*{rule}"):
        read_annotations(path, LABELS["pisc"])


def test_an_empty_list_is_refused(tmp_path: Path):
    with pytest.raises(ProblemError, match="no line"):
        read_annotations(listed(tmp_path), LABELS["pisc"])


def test_boxes_overlap_by_what_they_share():
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
