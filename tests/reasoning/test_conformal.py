import numpy as np
import pytest

from services.reasoning.calibration import Calibration, calibration_key, fit
from services.reasoning.conformal import label_set, threshold
from services.reasoning.pipeline import Reasoner
from services.reasoning.prompt import builtin_prompts
from services.reasoning.schemas import RelationsRequest
from services.reasoning.scoring import DEFAULT_METHOD, fitted_method
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.fake_llm import FakeModel

LABELS = ["a", "b", "c", "d"]


def noisy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 4
    return 1.5 * np.eye(4)[truth] + rng.normal(0, 1.2, (n, 4)), truth


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.95])
def test_sets_hold_the_right_label_as_often_as_asked_and_hardly_more(coverage: float):
    scores, truth = noisy(400, seed=0)
    calibration = fit(scores, truth, LABELS, "", "")
    unseen, right = noisy(4000, seed=1)
    smallest = threshold(calibration.held_out, coverage)
    sets = [label_set(row, LABELS, smallest) for row in calibration.apply(unseen, LABELS)]
    found = np.mean([LABELS[index] in chosen for index, chosen in zip(right, sets, strict=True)])
    assert coverage - 0.05 < found < coverage + 0.05
    assert np.mean([len(chosen) for chosen in sets]) < 4


def test_more_coverage_never_makes_a_set_smaller():
    held_out = list(np.random.default_rng(0).uniform(0, 1, 50))
    found = [threshold(held_out, coverage) for coverage in (0.5, 0.7, 0.9, 0.97)]
    assert found == sorted(found, reverse=True)


def test_too_few_stories_promise_all_labels_only():
    assert threshold([0.9] * 8, 0.9) == 0.0 and threshold([0.9] * 9, 0.9) == 0.9
    assert label_set(np.log([0.7, 0.2, 0.05, 0.05]), LABELS, 0.0) == LABELS


def test_a_set_is_never_empty_and_the_likeliest_comes_first():
    assert label_set(np.log([0.3, 0.4, 0.2, 0.1]), LABELS, 0.9) == ["b"]
    assert label_set(np.log([0.3, 0.4, 0.2, 0.1]), LABELS, 0.25) == ["b", "a"]


def test_a_request_for_coverage_is_answered_or_warned_of():
    model, prompt = FakeModel(cues={"kiss": "couple"}), builtin_prompts()["pisc"]
    question = RelationsRequest(story="<P1> and <P2> kiss.", explain=False, coverage=0.5)
    prior = dict.fromkeys(("friends", "family", "couple", "professional", "commercial", "no-relation"), 0.0)
    fitted = Calibration(prior, 1.0, 3, "s", "", held_out=[0.1, 0.3, 0.5])
    method = fitted_method(builtin_taxonomies()["pisc"].labels, DEFAULT_METHOD)
    key = calibration_key(model.name, prompt.identity, method)
    answer = Reasoner(model, {key: fitted}).relate(question, lambda: None)
    assert answer.relations[0].label_set == ["couple"] and answer.warnings == []
    few = Reasoner(model, {key: fitted}).relate(question.model_copy(update={"coverage": 0.9}), lambda: None)
    assert len(few.relations[0].label_set or []) == 6 and "too few" in few.warnings[0]
    bare = Reasoner(model, {}).relate(question, lambda: None)
    assert bare.relations[0].label_set is None and any("coverage" in warning for warning in bare.warnings)
