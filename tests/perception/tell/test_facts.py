import pytest

from services.perception.schemas import Pair
from services.perception.tell.facts import (
    article,
    group_facts,
    listed,
    pair_facts,
    person_facts,
    scene_facts,
    thing_facts,
)
from tests.perception.figures import answer, person, thing


def phrases(**attributes: str | tuple[str, float]) -> dict[str, str]:
    """Kind -> phrase of the facts about a person with these attributes."""
    return {fact.kind: fact.phrase for fact in person_facts(person("P1", **attributes), [])}


class TestWho:
    @pytest.mark.parametrize(
        ("age", "gender", "who"),
        [
            ("1", "male", "a baby or toddler"),
            ("8", "female", "a girl of about 8"),
            ("12", "male", "a boy of about 12"),
            ("16", "female", "a teenage girl of about 16"),
            ("19", "male", "a man of about 19"),
            ("43", "female", "a woman of about 45"),
            ("78", "male", "a man of about 80"),
        ],
    )
    def test_age_and_gender_make_a_word(self, age: str, gender: str, who: str):
        assert phrases(age=age, gender=gender)["person"] == who

    def test_without_a_sure_gender_it_is_a_person(self):
        assert phrases(age="40", gender=("female", 0.6))["person"] == "a person of about 40"
        assert phrases(age="8")["person"] == "a child of about 8"

    def test_without_a_sure_age_no_age_is_told(self):
        assert phrases(age=("40", 0.3), gender="female")["person"] == "a female person"
        assert phrases()["person"] == "a person"

    def test_what_is_not_told_does_not_make_the_fact_less_sure(self):
        (who,) = person_facts(person("P1", age=("40", 0.3), gender=("female", 0.6)), [])
        assert who.score == 0.95
        (who,) = person_facts(person("P1", age=("40", 0.8), gender=("female", 0.6)), [])
        assert who.score == 0.8


class TestClothing:
    @pytest.mark.parametrize(
        ("worn", "phrase"),
        [
            ({"top_colour": "red"}, "in a red top"),
            ({"top_colour": "orange"}, "in an orange top"),
            ({"top_colour": "red", "bottom_colour": "blue"}, "in a red top with blue below"),
            ({"top_colour": "black", "bottom_colour": "black"}, "dressed in black"),
            ({"bottom_colour": "blue"}, "in blue from the waist down"),
            ({"top_colour": "white", "garment": "a suit"}, "in a suit"),
            ({"top_colour": "red", "garment": "a T-shirt"}, "in a red T-shirt"),
            ({"garment": "a T-shirt"}, "in a T-shirt"),
            ({"top_colour": "blue", "tie": "tie"}, "in a blue top with a tie"),
        ],
    )
    def test_garment_colours_and_tie_are_told_together(self, worn: dict[str, str], phrase: str):
        assert phrases(**worn)["clothing"] == phrase

    def test_an_unsure_garment_does_not_hide_the_colour(self):
        assert phrases(top_colour="red", garment=("a T-shirt", 0.46))["clothing"] == "in a red top"

    def test_the_fact_is_as_sure_as_its_weakest_part(self):
        facts = person_facts(person("P1", top_colour=("red", 0.9), bottom_colour=("blue", 0.6)), [])
        assert facts[1].score == 0.6


class TestStates:
    @pytest.mark.parametrize(
        ("expression", "score", "phrase"),
        [
            ("smiling", 0.7, "smiling"),
            ("neutral", 0.75, "with a calm face"),
            ("angry", 0.9, None),
            ("angry", 0.97, "looking angry"),
            ("fearful", 1.0, None),
        ],
    )
    def test_an_expression_is_told_from_its_own_score_on(self, expression: str, score: float, phrase: str | None):
        assert phrases(expression=(expression, score)).get("expression") == phrase

    @pytest.mark.parametrize(("gaze", "phrase"), [("camera", "facing the camera"), ("left", "looking to the left")])
    def test_gaze(self, gaze: str, phrase: str):
        assert phrases(gaze=gaze)["gaze"] == phrase

    def test_a_held_thing_is_named_with_its_symbol(self):
        facts = person_facts(person("P1", holding="O2"), [thing("O1", "cup"), thing("O2", "umbrella")])
        assert (facts[1].text, facts[1].about) == ("<P1> holds an umbrella (<O2>)", ("P1", "O2"))

    def test_what_is_unsure_is_not_told(self):
        assert set(phrases(posture=("sitting", 0.4), gaze=("left", 0.4), top_colour=("red", 0.4))) == {"person"}


class TestGroup:
    def test_one_person_is_no_group(self):
        assert group_facts([person("P1", age="30")]) == []

    def test_each_has_a_place_among_the_people_whatever_the_order_of_their_symbols(self):
        facts = group_facts([person("P1", 400), person("P2", 0), person("P3", 200)])
        assert [fact.text for fact in facts] == [
            "<P2> is on the left",
            "<P3> is between <P2> and <P1>",
            "<P1> is on the right, next to <P3>",
        ]
        assert facts[1].about == ("P3", "P2", "P1")

    def test_people_of_one_age(self):
        facts = group_facts([person("P1", 0, age=("30", 0.8)), person("P2", 200, age=("36", 0.6))])
        assert (facts[-1].text, facts[-1].score) == ("<P1> and <P2> look about the same age", 0.6)

    @pytest.mark.parametrize("other", [("39", 0.9), ("31", 0.3), None])
    def test_nothing_is_said_where_ages_differ_or_one_is_unsure_or_unknown(self, other: tuple[str, float] | None):
        people = [person("P1", 0, age="30"), person("P2", 200, **({"age": other} if other else {}))]
        assert {fact.kind for fact in group_facts(people)} == {"position"}


def pair(**answers: str | tuple[str, float]) -> Pair:
    values = {name: answer(*((value,) if isinstance(value, str) else value)) for name, value in answers.items()}
    return Pair(pair=("P1", "P2"), answers={"distance": answer("side by side")} | values)


class TestPair:
    @pytest.mark.parametrize(
        ("said", "text"),
        [
            ({"touch": "hands_together"}, "<P1> and <P2> have their hands together"),
            ({"touch": "second_arm_round"}, "<P2> has an arm round <P1>"),
            ({"looks": "first_at_second"}, "<P1> looks towards <P2>"),
            ({"looks": "both_left"}, "<P1> and <P2> look in the same direction"),
            ({"dress": "uniform"}, "<P1> and <P2> wear the same kind of dress"),
            ({"dress": "alike"}, "<P1> and <P2> are dressed in the same colours"),
            ({"age_gap": "-33"}, "<P1> looks about 35 years older than <P2>"),
            ({"age_gap": "20"}, "<P2> looks about 20 years older than <P1>"),
        ],
    )
    def test_who_does_what_to_whom(self, said: dict[str, str], text: str):
        assert text in [fact.text for fact in pair_facts(pair(**said))]

    def test_ages_close_together_are_no_gap(self):
        assert {fact.kind for fact in pair_facts(pair(age_gap="14"))} == {"distance"}

    def test_that_both_face_the_camera_is_told_of_each_not_of_the_pair(self):
        assert {fact.kind for fact in pair_facts(pair(looks="both_camera"))} == {"distance"}

    def test_what_is_unsure_is_not_told(self):
        assert {fact.kind for fact in pair_facts(pair(touch=("hands_together", 0.4)))} == {"distance"}


def test_scene_and_things_become_facts():
    facts = scene_facts({"setting": answer("outdoors"), "place": answer("by the water", 0.4)})
    assert [(fact.text, fact.is_sure) for fact in facts] == [
        ("The photo was taken outdoors", True),
        ("The scene is by the water", False),
    ]
    assert thing_facts([thing("O1", "umbrella")])[0].text == "There is an umbrella (<O1>)"


def test_words_are_joined_as_in_a_sentence():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert (article("apple"), article("cup")) == ("an apple", "a cup")
