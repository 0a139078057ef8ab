import numpy as np
import pytest

from services.reasoning.schemas import Label, Method
from services.reasoning.scoring import METHODS, fitted_method, pair_scores, ways
from tests.reasoning.fake_llm import FakeModel, FakePrefix

LABELS = [
    Label(name="friends", definition="x", phrases=["friends", "buddies"]),
    Label(name="family", definition="x"),
    Label(name="couple", definition="x", phrases=["a couple", "lovers", "married"]),
]


class LikesPlaces(FakeModel):
    """Prefers whatever stands first in a list."""

    def label_logprobs(self, prefix: FakePrefix, questions, labels):
        places = np.array([ord(answer) - ord("A") if len(answer) == 1 else 0 for answer in labels])
        return super().label_logprobs(prefix, questions, labels) - 2.0 * places


def scores(model: FakeModel, method: Method, story: str = "<P1> and <P2> kiss") -> np.ndarray:
    return pair_scores(model, model.read([story]), [("P1", "P2")], LABELS, method)[0]


def test_each_label_has_its_own_letter_in_both_orders():
    forwards, backwards = ways(LABELS, "letter codes")
    assert forwards.lead == "Options: A friends, B family, C couple." and forwards.answers == ["A", "B", "C"]
    assert backwards.lead == "Options: A couple, B family, C friends." and backwards.answers == ["C", "B", "A"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_label_that_the_story_speaks_for(method: Method):
    assert LABELS[scores(FakeModel(cues={"kiss": "couple"}), method).argmax()].name == "couple"


def test_a_liking_for_a_place_of_the_list_is_averaged_out():
    found = scores(LikesPlaces(), "letter codes")
    assert found == pytest.approx(np.full(3, found[0]))


def test_a_label_has_the_mean_of_its_phrases():
    class ByLength(FakeModel):
        def label_logprobs(self, prefix: FakePrefix, questions, labels):
            assert all(question.endswith("they are") for question in questions)
            return np.array([[-float(len(answer)) for answer in labels] for _ in questions])

    assert scores(ByLength(), "phrases") == pytest.approx([-7, -6, -(8 + 6 + 7) / 3])


def test_a_calibration_is_known_by_the_very_phrases_it_was_fitted_to():
    other = [*LABELS[:2], LABELS[2].model_copy(update={"phrases": ["a couple", "lovers"]})]
    assert fitted_method(LABELS, "phrases") == fitted_method(LABELS, "phrases") != fitted_method(other, "phrases")
    assert fitted_method(LABELS, "letter codes") == fitted_method(other, "letter codes") == "letter codes"


@pytest.mark.parametrize("method", METHODS)
def test_it_does_not_matter_who_is_named_first(method: Method):
    model = FakeModel(first_named_bonus={"P1": "family"})
    story = model.read(["<P1> meets <P2>"])
    found = pair_scores(model, story, [("P1", "P2"), ("P2", "P1")], LABELS, method)
    assert found[0] == pytest.approx(found[1])


def test_a_list_of_labels_is_read_once_for_all_pairs_and_forgotten():
    model = FakeModel()
    story = model.read(["<P1>, <P2> and <P3>"])
    pair_scores(model, story, [("P1", "P2"), ("P1", "P3"), ("P2", "P3")], LABELS, "letter codes")
    assert sum(text.startswith("Options") for text in model.reads) == 2 and model.alive == [story]
