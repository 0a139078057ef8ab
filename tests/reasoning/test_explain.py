import pytest

from services.reasoning.explain import clean_explanation, evidence, explain
from services.reasoning.prompt import split_sentences, story_pieces
from tests.reasoning.fake_llm import FakeModel, FakePrefix


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
    sentences = ["<P1> and <P2> and <P3>."]
    story = model.read(sentences)
    pairs = [("P1", "P2"), ("P2", "P3")]
    assert explain(model, story, sentences=sentences, pairs=pairs, chosen=["friends", "family"]) == [
        "<P1> shows a friend the way.",
        "<P2> shows a friend the way.",
    ]


def test_a_contradiction_is_written_once_more_and_then_the_story_is_quoted():
    sentences = ["Night falls.", "<P1>, a man of 30, hands <P2>, a woman of 28, a cup."]
    model = FakeModel(reply="and a friend are both young women here.")
    story, asked = model.read(sentences), []
    generate = model.generate
    model.generate = lambda prefix, beginnings, *rest: asked.append(beginnings) or generate(prefix, beginnings, *rest)
    (text,) = explain(model, story, sentences=sentences, pairs=[("P1", "P2")], chosen=["friends"])
    assert [beginnings[0].rsplit(". ", 1)[1] for beginnings in asked] == ["<P1>", "<P1> and <P2>"]
    assert text == f'The story speaks for "friends" of <P1> and <P2>: "{sentences[1]}"'


def test_what_is_not_contradicted_is_kept_and_only_the_rest_is_asked_again():
    sentences = ["<P1>, a man of 30, greets <P2>, a woman of 28, and <P3>, a boy."]
    model = FakeModel(reply="greets her like a friend would do.")
    story = model.read(sentences)
    kept, quoted = explain(
        model, story, sentences=sentences, pairs=[("P1", "P2"), ("P1", "P9")], chosen=["friends", "family"]
    )
    assert kept == "<P1> greets her like a friend would do."
    assert quoted.startswith("<P1> greets")


def test_a_model_that_writes_nothing_leaves_the_storys_own_words():
    model = FakeModel(reply="")
    sentences = ["<P1> waves to <P2>."]
    (text,) = explain(model, model.read(sentences), sentences=sentences, pairs=[("P1", "P2")], chosen=["friends"])
    assert "<P1> waves to <P2>." in text


def test_the_sentence_that_carries_the_label_weighs_most():
    model = FakeModel(cues={"kiss": "couple", "dog": "friends"})
    sentences = split_sentences("<P1> stands by <P2>. They kiss at the gate. A dog sleeps.")
    story = model.read([*story_pieces(sentences), model.chat_frame.before_answer])
    answers = ["couple", "friends", "family"]

    def logprob(seen: FakePrefix) -> float:
        return float(model.label_logprobs(seen, ["Relation of <P1> and <P2>:"], answers)[0, 0])

    found = evidence(model, story, sentences=sentences, pair=("P1", "P2"), logprob=logprob)
    assert found[0].sentence == "They kiss at the gate." and found[0].weight > 0
    assert found[-1].sentence == "A dog sleeps." and found[-1].weight < 0
    assert model.alive == [story]


def test_a_long_story_costs_no_more_questions_than_the_limit_and_keeps_the_pair():
    model = FakeModel()
    sentences = [f"Sentence {n} tells of a tree." for n in range(9)] + ["<P1> waves to <P2>."]
    story = model.read([*story_pieces(sentences), model.chat_frame.before_answer])
    found = evidence(model, story, sentences=sentences, pair=("P1", "P2"), logprob=lambda seen: 0.0)
    assert len(found) == 6 and "<P1> waves to <P2>." in [item.sentence for item in found]
