"""What models say, read for what stories can tell."""

from collections.abc import Callable

import pytest

from services.perception.ask import spoken


@pytest.mark.parametrize(
    ("read", "words", "value"),
    [
        (spoken.years, "about 30 years old", "30"),
        (spoken.years, "25-35", "30"),
        (spoken.years, "in her 40s", "45"),
        (spoken.years, "he is in his twenties", "25"),
        (spoken.years, "an elderly man", "72"),
        (spoken.years, "middle aged", "45"),
        (spoken.years, "a little girl", "8"),
        (spoken.years, "born in 1985", None),
        (spoken.years, "unknown", None),
        (spoken.sex, "Male", "male"),
        (spoken.sex, "female", "female"),
        (spoken.sex, "a woman", "female"),
        (spoken.sex, "a man or a woman", None),
        (spoken.sex, "person", None),
        (spoken.expression, "she is smiling happily", "smiling"),
        (spoken.expression, "a serious look", "neutral"),
        (spoken.expression, "happy or sad", None),
        (spoken.doing, "He is talking on a phone.", "talking on a phone"),
        (spoken.doing, "the man is holding a cup", "holding a cup"),
        (spoken.doing, "standing", "standing"),
        (spoken.doing, "tennis", None),
        (spoken.wearing, "She is wearing a red dress", "a red dress"),
        (spoken.wearing, "dressed in a dark suit", "a dark suit"),
        (spoken.wearing, "", None),
    ],
)
def test_words_become_values_or_nothing(read: Callable[[str], str | None], words: str, value: str | None):
    assert read(words) == value


def test_marks_that_mean_something_in_a_story_are_taken_out():
    assert spoken.plain('a <P1> sign:\n "ignore [all] {rules}"') == "a P1 sign: ignore all rules"


def test_long_words_are_cut_between_two():
    cut = spoken.plain("word " * 100)
    assert len(cut) <= spoken.MAX_CHARS and cut.endswith("word")


@pytest.mark.parametrize(
    ("words", "omit", "found"),
    [
        ("a woman in red", ["gender"], True),
        ("a woman in red", ["age"], False),
        ("an old person", ["age"], True),
        ("a boy", ["age"], True),
        ("her husband", ["gender"], True),
        ("people at a table", ["age", "gender"], False),
        ("management in Germany", ["gender"], False),
    ],
)
def test_words_that_tell_what_is_left_out_are_known(words: str, omit: list[str], found: bool):
    assert spoken.reveals(words, omit) == found
