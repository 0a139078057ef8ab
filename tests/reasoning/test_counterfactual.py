import pytest

from services.reasoning.counterfactual import shift_ages, swap_gender


@pytest.mark.parametrize(
    ("story", "other"),
    [
        ("<P1>, a woman of 30, laughs.", "<P1>, a man of 30, laughs."),
        ("She holds her bag and looks at him.", "He holds his bag and looks at her."),
        ("He waves at her, and she waves at him.", "She waves at him, and he waves at her."),
        ("The bag is his.", "The bag is hers."),
        ("Two girls and their mother.", "Two boys and their father."),
        ("A human walks; the shed is old.", "A human walks; the shed is old."),
    ],
)
def test_women_become_men_and_men_women(story: str, other: str):
    assert swap_gender(story) == other


def test_swapped_twice_a_story_is_as_before():
    story = "<P1>, a girl, holds her father's hand; he smiles at <P2>, a boy, and he at him."
    assert swap_gender(swap_gender(story)) == story


@pytest.mark.parametrize(
    ("story", "other"),
    [
        ("<P1>, a man of about 30, sits.", "<P1>, a man of about 50, sits."),
        ("<P1>, a woman of 70, and <P2>, a girl of 6.", "<P1>, a woman of 50, and <P2>, a girl of 26."),
        ("<P1>, an 8-year-old boy", "<P1>, an 28-year-old boy"),
        (
            "Both about 40 and in hats, 12 of 30 players run 5 miles.",
            "Both about 60 and in hats, 12 of 30 players run 5 miles.",
        ),
    ],
)
def test_ages_are_shifted_and_other_numbers_stay(story: str, other: str):
    assert shift_ages(story) == other
