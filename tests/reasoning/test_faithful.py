import pytest

from services.reasoning.faithful import contradiction, genders_told, quoted

STORY = (
    "<P1>, a man of about 30 in a grey coat, talks to <P2>, a tall young woman. <P3> is a boy of 8 (<O1>). "
    "<P4>, whose face is hidden, hugs a woman."
)
PAIR = ("P1", "P2")


def against(text: str, pair: tuple[str, str] = PAIR, story: str = STORY) -> str | None:
    return contradiction(text, pair, story, genders_told(story))


def test_genders_are_those_by_which_people_are_introduced():
    assert genders_told(STORY) == {"P1": "male", "P2": "female", "P3": "male"}


@pytest.mark.parametrize(
    ("text", "pair", "reason"),
    [
        ("<P1> and <P2> are both young women.", PAIR, "not both female"),
        ("They are two men at work.", PAIR, "not both male"),
        ("<P1> and <P2> are brothers.", PAIR, "not both male"),
        ("<P1> smiles at <P7>.", PAIR, "<P7>, who is not in the story"),
        ("The seven people seem close.", PAIR, "seven people"),
    ],
)
def test_what_the_story_denies_is_a_contradiction(text: str, pair: tuple[str, str], reason: str):
    assert reason in (against(text, pair) or "")


def test_a_woman_where_all_are_men_is_a_contradiction():
    story = "<P1>, a man of 30, and <P2>, a boy of 9, fish."
    assert "nobody in the story is female" in (against("<P1> shows her how to fish.", story=story) or "")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("<P1> and <P2> talk, and she smiles at him.", PAIR),
        ("<P3> and <P4> are brothers.", ("P3", "P4")),  # of <P4> nothing is told
        ("<P1> shows her the way.", ("P1", "P3")),  # a third person may be meant
        ("<P1> and <P3> are with <P2>, both women.", ("P1", "P3")),
        ("The four people stand together.", PAIR),
        ("<P1> is a manager, and the business goes on.", PAIR),  # words that only begin alike
    ],
)
def test_what_the_story_leaves_open_is_none(text: str, pair: tuple[str, str]):
    assert against(text, pair) is None


def test_the_quoted_sentence_is_the_one_that_names_both():
    sentences = ["<P1> sits.", "<P2> waves to <P1>.", "<P2> goes."]
    assert quoted(PAIR, "friends", sentences).endswith('"<P2> waves to <P1>."')
