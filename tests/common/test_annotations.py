import pytest

from services.common.annotations import LABELS, AnnotatedPhoto, overlap, read_annotations
from services.common.errors import ProblemError
from services.reasoning.taxonomy import builtin_taxonomies


def listed(*lines: str, taxonomy: str = "pisc") -> list[AnnotatedPhoto]:
    return read_annotations("\n".join(lines) + "\n", "list.txt", LABELS[taxonomy])


def test_label_numbers_are_the_places_in_the_taxonomies():
    for name, labels in LABELS.items():
        assert labels == tuple(label.name for label in builtin_taxonomies()[name].labels)


def test_pairs_of_one_photo_share_its_people():
    first, second = listed(
        "a.jpg 0 0 10 20 30 0 40 20 4",
        "b.jpg 1 1 5 5 6 1 9 5 7",
        "",
        "a.jpg 30 0 40 20 60 0 70 20 5",
        taxonomy="pipa",
    )
    assert first.boxes == [(0, 0, 10, 20), (30, 0, 40, 20), (60, 0, 70, 20)]
    assert first.pairs == [(0, 1, "friends"), (1, 2, "siblings")]
    assert second.image == "b.jpg" and second.pairs == [(0, 1, "lovers/spouses")]


def test_a_seen_photo_has_its_pairs_by_the_symbols_of_its_people():
    (photo,) = listed("a.jpg 0 0 10 20 30 0 40 20 0", "a.jpg 30 0 40 20 60 0 70 20 1")
    pairs = photo.seen({"P1": (61, 0, 70, 20), "P2": (0, 0, 10, 19), "P3": (30, 1, 40, 20)})
    assert [(found.pair, found.label, found.image) for found in pairs] == [
        (("P2", "P3"), "friends", "a.jpg"),
        (("P3", "P1"), "family", "a.jpg"),
    ]
    assert len({found.id for found in pairs}) == 2


def test_a_pair_of_which_one_was_not_seen_is_left_out():
    """In a crowd not all people are told of: the nearest other one must not stand in."""
    (photo,) = listed("a.jpg 0 0 10 20 30 0 40 20 0", "a.jpg 30 0 40 20 60 0 70 20 1")
    (left,) = photo.seen({"P1": (30, 0, 40, 20), "P2": (0, 0, 10, 20), "P3": (66, 0, 80, 20)})
    assert left.label == "friends"
    assert photo.seen({}) == []
    (both,) = listed("a.jpg 0 0 10 20 1 0 10 20 0")
    assert both.seen({"P1": (0, 0, 10, 20)}) == []  # one person for two boxes


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("a.jpg 0 0 10 20 30 0 40 20", "it has 9 columns"),
        ("a.jpg 0 0 10 x 30 0 40 20 1", "no number"),
        ("a.jpg 0 0 10 20 30 0 40 20 6", "label 6 is not one of 0 to 5"),
        ("a.jpg 10 0 0 20 30 0 40 20 1", "has no area"),
        ("a.jpg 0 0 10 20 0 0 10 20 1", "one person"),
        ("a.jpg 0 0 inf 20 0 0 10 20 1", "no number"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_rule(line: str, rule: str):
    with pytest.raises(ProblemError, match=rf"list\.txt:2: .*{rule}"):
        listed("a.jpg 0 0 10 20 30 0 40 20 1", line)


def test_an_empty_list_is_refused():
    with pytest.raises(ProblemError, match="no line"):
        listed("")


def test_boxes_overlap_by_what_they_share():
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
