import pytest

from services.reasoning.explain import clean_explanation, evidence, explain
from services.reasoning.prompt import split_sentences, story_pieces
from tests.reasoning.fake_llm import FakeModel


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (" They laugh and share a meal. And then", "They laugh and share a meal."),
        ("<P1> gives <P2> 3.50 euros. Relation of <P2> and <P3>: friends.", "<P1> gives <P2> 3.50 euros."),
        ("Relation of <P1> and <P2>: family. They are kin.", None),
        ("They seem to be", None),
        ("Yes.", None),
        ("", None),
    ],
)
def test_an_explanation_is_one_whole_sentence_and_no_further_answer(made: str, kept: str | None):
    assert clean_explanation(made) == kept


def test_each_pair_gets_its_sentence_about_its_first_person():
    model = FakeModel(reply="shows a friend the way. Nothing more matters here.")
    story = model.read(["<P1> and <P2> and <P3>."])
    assert explain(model, story, [("P1", "P2"), ("P2", "P3")], ["friends", "family"]) == [
        "<P1> shows a friend the way.",
        "<P2> shows a friend the way.",
    ]


def test_the_sentence_that_carries_the_label_weighs_most():
    model = FakeModel(cues={"kiss": "couple", "dog": "friends"})
    sentences = split_sentences("<P1> stands by <P2>. They kiss at the gate. A dog sleeps.")
    story = model.read([*story_pieces(sentences), model.chat_frame.before_answer])
    found = evidence(
        model, story, sentences=sentences, pair=("P1", "P2"), label="couple", labels=["couple", "friends", "family"]
    )
    assert found[0].sentence == "They kiss at the gate." and found[0].weight > 0
    assert found[-1].sentence == "A dog sleeps." and found[-1].weight < 0
    assert model.alive == [story]


def test_a_long_story_costs_no_more_questions_than_the_limit_and_keeps_the_pair():
    model = FakeModel()
    sentences = [f"Sentence {n} tells of a tree." for n in range(9)] + ["<P1> waves to <P2>."]
    story = model.read([*story_pieces(sentences), model.chat_frame.before_answer])
    found = evidence(model, story, sentences=sentences, pair=("P1", "P2"), label="a", labels=["a", "b"])
    assert len(found) == 6 and "<P1> waves to <P2>." in [item.sentence for item in found]
