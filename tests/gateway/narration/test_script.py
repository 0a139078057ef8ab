import pytest

from gateway.narration.script import told_of_two, write_script
from services.reasoning.schemas import Label, Relation
from services.reasoning.taxonomy import builtin_taxonomies
from tests.gateway.narration.test_names import FIVE, TWO

PISC = builtin_taxonomies()["pisc"]


def relation(label: str = "friends", probability: float = 0.9, **given: object) -> Relation:
    values = {
        "pair": ("P1", "P2"),
        "label": label,
        "coarse": None,
        "probabilities": {label: probability, "other": 1 - probability},
        "abstained": False,
        "explanation": "<P1> and <P2> sit close together and laugh.",
        "evidence": [],
    }
    return Relation.model_validate(values | given)


def test_who_is_there_how_they_relate_and_why_in_plain_words():
    assert write_script(TWO, relation(), PISC) == (
        "I see two people: a woman on the left and a man on the right. "
        "The woman on the left and the man on the right clearly seem to be friends. "
        "I say so because they sit close together and laugh. This is a guess and no more."
    )


def test_of_a_relation_with_two_sides_it_is_said_who_is_which():
    roles = {"people": {"teacher": "P2", "student": "P1"}, "probability": 0.7}
    told = write_script(TWO, relation("teacher-student", roles=roles, explanation=None), builtin_taxonomies()["pipa"])
    said = "teacher and student: the man on the right the teacher and the woman on the left the student."
    assert f"clearly seem to be {said}" in told


@pytest.mark.parametrize(
    ("probability", "said"), [(0.8, "clearly seem to be friends"), (0.6, "seem to be friends"), (0.3, "may be friends")]
)
def test_the_less_sure_the_more_careful(probability: float, said: str):
    told = write_script(TWO, relation(probability=probability), PISC)
    assert f"the man on the right {said}." in told


def test_a_relation_that_was_abstained_from_is_not_told():
    told = write_script(TWO, relation(abstained=True), PISC)
    assert "friends" not in told
    assert told.endswith("How the woman on the left and the man on the right relate, I cannot tell.")


def test_many_people_are_counted():
    told = write_script(FIVE, relation(pair=("P1", "P5"), explanation=None), PISC)
    assert told.startswith("I see five people. The man second from the left and the person fourth from the left")


@pytest.mark.parametrize(
    ("explanation", "said"),
    [
        ("<P2> and <P1> both smile", "I say so because they both smile."),
        ("Both <P1> and <P2> smile.", "I say so because they smile."),
        ("<P1>'s hand is on <P2>.", "I say so because the woman on the left's hand is on the man on the right."),
        (
            "<P1> and <P2>'s cup is red.",
            "I say so because the woman on the left and the man on the right's cup is red.",
        ),
        ("The place is a bar.", "The place is a bar."),
    ],
)
def test_the_reason_speaks_of_the_two(explanation: str, said: str):
    assert f" {said} This is" in write_script(TWO, relation(explanation=explanation), PISC)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (
            [("<P1>, a woman of about 30 in a red top, is on the left, smiling.", 0.9), ("Both face the camera.", 0.4)],
            "I say so because both face the camera. ",
        ),
        ([("Both face the camera.", -0.1)], ""),
        ([], ""),
    ],
    ids=["what is told of both", "what speaks against it", "none"],
)
def test_where_the_explanation_only_quotes_the_story_its_strongest_sentence_is_the_reason(evidence: list, said: str):
    quote = "<P1>, a woman of about 30 in a red top, is on the left, smiling."
    told = write_script(
        TWO,
        relation(
            explanation=f'The story speaks for "friends" of <P1> and <P2>: "{quote}"',
            evidence=[{"sentence": sentence, "weight": weight} for sentence, weight in evidence],
        ),
        PISC,
    )
    assert told.endswith(f"clearly seem to be friends. {said}This is a guess and no more.")


def test_every_label_that_ships_can_be_said_of_two_people():
    said = [told_of_two(label) for taxonomy in builtin_taxonomies().values() for label in taxonomy.labels]
    assert "be father and child" in said and "be lovers or spouses" in said and "be a couple" in said
    assert all(words.split()[0] in ("be", "know", "deal", "have") and "-" not in words for words in said)


def test_an_own_label_may_bring_its_words():
    rivals = Label(name="rivals", definition="They compete.", spoken="want the same thing")
    taxonomy = PISC.model_copy(update={"labels": [rivals]})
    assert "clearly seem to want the same thing." in write_script(TWO, relation("rivals"), taxonomy)
