import numpy as np
import pytest

from services.reasoning.calibration import log_softmax
from services.reasoning.neutral import STORIES, neutral_prior
from services.reasoning.prompt import symbols_in
from services.reasoning.schemas import Label
from services.reasoning.scoring import pair_scores
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.fake_llm import FakeModel

LABELS = [Label(name=name, definition="x") for name in ("family", "friends", "couple")]


def test_what_the_model_likes_whatever_is_told_is_taken_off():
    model = FakeModel(cues={"kiss": "couple"}, favourite="family")
    leaning = neutral_prior(model, model.read(["prompt"]), LABELS, "phrases")
    scores = pair_scores(model, model.read(["<P1> and <P2> kiss"]), [("P1", "P2")], LABELS, "phrases")
    names = [label.name for label in LABELS]
    assert names[int(scores[0].argmax())] == "family"
    assert leaning.apply(scores, names)[0] == pytest.approx(log_softmax(np.array([0.0, 0.0, 1.0])))


def test_only_the_prompt_stays_read():
    model = FakeModel()
    prompt = model.read(["prompt"])
    neutral_prior(model, prompt, LABELS, "letter codes")
    assert model.alive == [prompt]


@pytest.mark.parametrize("story", STORIES)
def test_a_neutral_story_is_of_one_pair_and_says_no_label(story: str):
    said = [
        phrase
        for taxonomy in builtin_taxonomies().values()
        for label in taxonomy.labels
        for phrase in (label.name, *label.phrases)
    ]
    assert symbols_in(story) == ["P1", "P2"]
    assert not [phrase for phrase in said if phrase in story]
