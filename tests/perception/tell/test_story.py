import re
from collections.abc import Sequence

import pytest

from services.perception.schemas import Answer, Answers, Pair, Person, Story, Thing
from services.perception.tell.facts import SURE
from services.perception.tell.story import MAX_SENTENCES
from services.perception.tell.teller import tell_story
from tests.perception.figures import answer, person, thing


def answers_of(
    people: Sequence[Person],
    pairs: Sequence[Pair] = (),
    things: Sequence[Thing] = (),
    scene: dict[str, Answer] | None = None,
) -> Answers:
    return Answers(
        width=1000, height=400, people=list(people), objects=list(things), warnings=[], models={}, timings_s={},
        pairs=list(pairs), scene=scene or {},
    )  # fmt: skip


def story(
    people: Sequence[Person],
    pairs: Sequence[Pair] = (),
    things: Sequence[Thing] = (),
    scene: dict[str, Answer] | None = None,
) -> list[str]:
    return [sentence.text for sentence in tell_story(answers_of(people, pairs, things, scene)).sentences]


def pair(first: str, second: str, **answers: str | tuple[str, float]) -> Pair:
    values = {name: answer(*((value,) if isinstance(value, str) else value)) for name, value in answers.items()}
    return Pair(pair=(first, second), answers={"distance": answer("side by side")} | values)


def test_one_person():
    alone = person("P1", age="30", gender="female", top_colour="red", gaze="camera", expression="smiling")
    assert story([alone]) == [
        "One person is in the photo.",
        "<P1> is a woman of about 30 in a red top, smiling and facing the camera.",
    ]


def test_the_scene_opens_the_story_and_doubt_is_told():
    sentences = story([person("P1")], scene={"setting": answer("outdoors", 0.6), "place": answer("by the water", 0.8)})
    assert sentences[0] == "One person is in the photo, perhaps outdoors, by the water."


def test_people_are_told_from_left_to_right_with_their_own_symbols():
    people = [person("P1", 400, gender="male"), person("P2", 0, gender="female"), person("P3", 200)]
    assert story(people)[1:] == [
        "<P2>, a female person, is on the left.",
        "<P3>, a person, is between <P2> and <P1>.",
        "<P1>, a male person, is on the right, next to <P3>.",
    ]


def test_what_all_do_is_said_once():
    people = [person("P1", 0, expression="smiling", gaze="camera"), person("P2", 200, expression="smiling")]
    sentences = story(people)
    assert sentences[1:] == [
        "<P1>, a person, is on the left, facing the camera.",
        "<P2>, a person, is on the right, next to <P1>.",
        "Both smile.",
    ]


def test_what_one_does_is_not_said_of_all():
    people = [person("P1", 0, posture="sitting"), person("P2", 200, posture="standing")]
    assert not any(sentence.startswith("Both") for sentence in story(people))


def test_one_age_is_said_once():
    people = [person(f"P{n}", 200 * n, age="30") for n in (1, 2, 3)]
    assert story(people)[-1] == "All look about the same age."


def test_touch_comes_before_distance_and_doubt_is_told():
    people = [person("P1", 0), person("P2", 200)]
    pairs = [pair("P1", "P2", touch=("first_arm_round", 0.6))]
    assert story(people, pairs=pairs)[-2:] == [
        "It seems that <P1> has an arm round <P2>.",
        "<P1> and <P2> are close together.",
    ]


def test_neighbours_that_are_all_close_are_a_group():
    people = [person(f"P{n}", 100 * n) for n in (1, 2, 3)]
    close = [pair("P1", "P2"), pair("P2", "P3"), pair("P1", "P3", distance="within reach")]
    assert story(people, pairs=close)[-1] == "They are close together as a group."
    loose = [close[0], pair("P2", "P3", distance="far apart"), close[2]]
    assert story(people, pairs=loose)[-2:] == ["<P1> and <P2> are close together.", "<P2> and <P3> are far apart."]


def test_a_held_thing_is_told_with_its_holder_and_not_again():
    things = [thing("O1", "cup"), thing("O2", "cake", score=0.5), thing("O3", "tie")]
    sentences = story([person("P1", holding=("O1", 0.6))], things=things)
    assert sentences[1:] == [
        "<P1> is a person, apparently holding a cup (<O1>).",
        "Also to be seen: perhaps a cake (<O2>).",
    ]


@pytest.fixture
def crowd() -> Story:
    people = [person(f"P{n}", 100 * n, age="30", expression="smiling", gaze="camera") for n in range(1, 11)]
    symbols = [one.symbol for one in people]
    pairs = [
        pair(first, second, touch="heads_together", looks="face_each_other", age_gap="30")
        for index, first in enumerate(symbols)
        for second in symbols[index + 1 :]
    ]
    things = [thing(f"O{n}", "chair") for n in range(1, 13)]
    return tell_story(answers_of(people, pairs, things, {"setting": answer("indoors")}))


def test_a_crowd_fits_in_a_paragraph(crowd: Story):
    assert len(crowd.sentences) <= MAX_SENTENCES
    assert crowd.sentences[-1].text.count("chair") == 4


def test_every_sentence_rests_on_records_about_those_whom_it_names(crowd: Story):
    records = {record.id: record for record in crowd.records}
    for sentence in crowd.sentences:
        backed = {symbol for name in sentence.records for symbol in records[name].about}
        assert set(re.findall(r"<([PO]\d+)>", sentence.text)) <= backed


def test_records_are_numbered_in_the_order_of_the_facts():
    told = tell_story(answers_of([person("P1", gaze="camera")], things=[thing("O1", "cup", score=SURE)]))
    assert [(record.id, record.kind, record.about) for record in told.records] == [
        ("r1", "person", ["P1"]),
        ("r2", "gaze", ["P1"]),
        ("r3", "object", ["O1"]),
    ]
    assert told.records[1].text == "<P1> is facing the camera"
    assert [sentence.records for sentence in told.sentences] == [["r1"], ["r1", "r2"], ["r3"]]
