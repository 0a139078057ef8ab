"""Rewritten sentences are held to the plain ones."""

import pytest

from services.common.errors import ProblemError
from services.reasoning.fusion import fuse, unfaithful
from services.reasoning.pipeline import Reasoner
from tests.reasoning.fake_llm import FakeModel

PLAIN = "<P1>, a man of about 45 in a red top, is on the left, smiling."


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        (PLAIN, "On the left, <P1> is a man of about 45 who smiles in a red top."),
        (PLAIN, "<P1>, who is a smiling man of about 45, is on the left and in a red top."),
        ("It seems that <P1> and <P2> have their hands together.", "<P1> and <P2> seem to have their hands together."),
        ("<P1> holds a cup (<O1>).", "<P1> is holding the cup <O1>."),
    ],
)
def test_another_wording_of_the_same_facts_is_faithful(plain: str, text: str):
    assert unfaithful(plain, text) is None


@pytest.mark.parametrize(
    ("plain", "text", "reason"),
    [
        (PLAIN, "<P1>, a man of about 45 in a red top, is on the left.", "drops 'smil'"),
        (PLAIN, "<P1>, a man of about 54 in a red top, is on the left, smiling.", "drops '45'"),
        (PLAIN, "<P1>, a happy man of about 45 in a red top, is on the left, smiling.", "adds 'happy'"),
        (PLAIN, "<P1>, a woman of about 45 in a red top, is on the left, smiling.", "drops 'man'"),
        (PLAIN, "<P2>, a man of about 45 in a red top, is on the left, smiling.", "names P2 for P1"),
        (PLAIN, "<P1>, a man of about 45 in a red top, is on the left, not smiling.", "adds 'not'"),
        (PLAIN, "A man of about 45 in a red top is on the left, smiling.", "names nobody for P1"),
        ("<P1> looks older than <P2>.", "<P2> looks older than <P1>.", "names P2, P1 for P1, P2"),
        ("It seems that <P1> sits.", "<P1> sits.", "surer"),
        ("<P1> sits.", "<P1> perhaps sits.", "less sure"),
    ],
)
def test_a_fact_that_is_dropped_added_or_turned_round_is_named(plain: str, text: str, reason: str):
    found = unfaithful(plain, text)
    assert found is not None and reason in found


def test_a_faithful_sentence_is_the_models_and_another_stays_the_templates():
    model = FakeModel(reply="on the left is a man of about 45, smiling in a red top. And more.")
    answer = fuse(model, [PLAIN, "<P1> and <P2> are married."])
    first, second = answer.sentences
    assert (first.by, first.text) == ("model", "<P1> on the left is a man of about 45, smiling in a red top.")
    assert (second.by, second.text) == ("template", "<P1> and <P2> are married.")
    assert second.reason and answer.model == model.name and model.alive == []


def test_what_is_no_sentence_is_put_back():
    (sentence,) = fuse(FakeModel(reply="<P1> <P1> <P1>"), [PLAIN]).sentences
    assert (sentence.by, sentence.text, sentence.reason) == ("template", PLAIN, "it is no sentence")


def test_a_story_of_any_length_is_not_read():
    with pytest.raises(ProblemError) as caught:
        Reasoner(FakeModel(), {}).fuse(["<P1> sits. " * 50] * 20, lambda: None)
    assert caught.value.code == "story_too_long"
