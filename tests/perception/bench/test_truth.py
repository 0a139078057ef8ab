"""The measure itself: on stories and truths made by hand."""

import pytest

from services.perception.bench import truth
from services.perception.bench.truth import Tally, TruePerson, TruePhoto, load_truth, unbacked
from services.perception.schemas import Record, Sentence, Story
from tests.perception.figures import person, thing


def story(*sentences: tuple[str, list[str]], records: dict[str, tuple[list[str], str]] | None = None) -> Story:
    told = {"r1": (["P1"], "<P1> is a man of about 45"), "r2": (["P1", "O1"], "<P1> holds a cup (<O1>)")}
    return Story(
        width=300, height=300, people=[person("P1", 0, age="45", gender="male")], objects=[thing("O1", "cup")],
        warnings=[], models={}, timings_s={}, pairs=[], scene={},
        records=[
            Record(id=name, about=about, kind="x", text=text, score=0.9)
            for name, (about, text) in (records or told).items()
        ],
        sentences=[Sentence(text=text, records=names) for text, names in sentences],
        story=" ".join(text for text, _ in sentences),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "records", "lost"),
    [
        ("<P1> is a man of about 45.", ["r1"], False),
        ("<P1> is a man of about 45.", ["r2"], True),  # the number is in no record of its
        ("<P2> is a man of about 45.", ["r1"], True),
        ("<P1> holds a cup (<O1>).", ["r1"], True),
        ("<P1>, about 45, holds a cup (<O1>).", ["r1", "r2"], False),
        ("A sunny day.", ["r9"], True),
    ],
)
def test_a_sentence_without_a_record_is_seen(sentence: str, records: list[str], lost: bool):
    assert unbacked(story((sentence, records))) == ([sentence] if lost else [])


def measured(true: TruePerson, *, setting: str | None = None) -> Tally:
    tally = Tally()
    told = story(("<P1> is a man of about 45.", ["r1"]))
    truth._compare(tally, TruePhoto(photo="p", setting=[setting] if setting else [], people=[true]), told)
    return tally


def test_right_and_wrong_answers_are_counted_and_the_wrong_ones_named():
    tally = measured(TruePerson(box=(5, 5, 95, 300), age=(40, 50), gender=["female"]))
    assert (tally.found, tally.invented, tally.answers) == (1, 0, 2)
    assert tally.wrong == ["p P1: gender male (0.9)"]


def test_what_the_truth_does_not_say_is_not_judged():
    assert measured(TruePerson(box=(0, 0, 100, 300), age=(40, 50))).answers == 1


def test_a_person_elsewhere_is_invented_and_the_true_one_not_found():
    tally = measured(TruePerson(box=(200, 0, 300, 300), age=(40, 50)))
    assert (tally.found, tally.invented, tally.answers) == (0, 1, 0)


def test_the_truth_that_ships_is_of_twelve_pictures_and_names_no_unknown_answer():
    truths = load_truth()
    known = {"gender", "expression", "gaze", "top_colour", "bottom_colour", "garment", "posture", "tie"}
    assert len(truths) == 12
    assert {name for one in truths for true in one.people for name in true.model_extra or {}} <= known
