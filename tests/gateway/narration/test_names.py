import pytest

from gateway.narration.names import names_of, spoken

TWO = (
    "Two people are in the photo, outdoors. <P1>, a woman of about 30 in a red top, is on the left, smiling. "
    "<P2>, a man of about 45, is on the right, next to <P1>, holding a cup (<O1>). Both face the camera."
)
THREE = (
    "<P2>, a boy of about 9, is on the left. <P1>, a baby or toddler, is between <P2> and <P3>. "
    "<P3>, a person, is on the right, next to <P1>."
)
FIVE = (
    "<P3>, a man of about 30, is on the left. <P1>, a man of about 25, is between <P3> and <P2>. <P2>, a woman of "
    "about 30, is between <P1> and <P5>. <P5>, a person, is between <P2> and <P4>. <P4>, a man, is on the right, next "
    "to <P5>."
)


def definite(story: str) -> dict[str, str]:
    return {symbol: name.definite for symbol, name in names_of(story).items()}


def test_people_are_called_by_noun_and_place():
    assert definite(TWO) == {"P1": "the woman on the left", "P2": "the man on the right"}
    assert definite(THREE) == {
        "P1": "the small child in the middle",
        "P2": "the boy on the left",
        "P3": "the person on the right",
    }


def test_of_many_those_between_are_counted_from_the_left():
    assert definite(FIVE) == {
        "P3": "the man on the left",
        "P1": "the man second from the left",
        "P2": "the woman third from the left",
        "P5": "the person fourth from the left",
        "P4": "the man on the right",
    }


def test_without_places_the_noun_alone_tells_people_apart_or_else_the_number():
    assert definite("<P1> is an old lady. <P2> is a tall young gentleman. They dance.") == {
        "P1": "the lady",
        "P2": "the gentleman",
    }
    assert definite("<P1> is a man. <P2> is a man.") == {"P1": "the first person", "P2": "the second person"}
    assert definite("<P2> throws <P10> the ball.") == {"P2": "the first person", "P10": "the second person"}


def test_who_was_forgotten_by_the_story_has_a_name_too():
    assert {symbol: name.definite for symbol, name in names_of("<P1> is a man.", ("P1", "P4")).items()} == {
        "P1": "the first person",
        "P4": "the second person",
    }


def test_a_noun_that_belongs_to_somebody_else_is_nobody_s_name():
    told = definite("<P1> is a friend of the old man. <P2> is a woman.")
    assert told == {"P1": "the first person", "P2": "the second person"}


@pytest.mark.parametrize(
    ("text", "aloud"),
    [
        ("<P1> and <P2> smile.", "The woman on the left and the man on the right smile."),
        ("<P2> gives <P1> the cup (<O1>).", "The man on the right gives the woman on the left the cup."),
        ("P2 holds <O1>.", "The man on the right holds the cup."),
        ('It says "friends" of <P1>: **sure** <O9>.', "It says friends of the woman on the left: sure."),
        ("they laugh . she waves!", "They laugh. She waves!"),
    ],
)
def test_no_symbol_is_spoken(text: str, aloud: str):
    assert spoken(text, names_of(TWO), TWO) == aloud
