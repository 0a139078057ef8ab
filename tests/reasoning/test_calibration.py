from pathlib import Path

import numpy as np
import pytest

from services.common.registry import load_registry
from services.reasoning.calibration import Calibration, calibration_key, fit, load_calibrations, save_calibration
from services.reasoning.prompt import prompt_for
from services.reasoning.scoring import DEFAULT_METHOD, fitted_method
from services.reasoning.settings import ReasoningSettings
from services.reasoning.taxonomy import builtin_taxonomies

LABELS = ["friends", "family", "couple"]


def biased_scores(n: int, certainty: float = 1.0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """A model that knows the answer but says 'family' to everything."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    knowledge = 2.0 * np.eye(3)[truth] + rng.normal(0, noise, (n, 3))
    return certainty * knowledge + np.array([0.0, 8.0, 0.0]), truth


def test_removing_the_prior_brings_out_what_the_model_knows():
    scores, truth = biased_scores(90)
    assert (scores.argmax(axis=1) == truth).mean() < 0.4
    fitted = fit(scores[:30], truth[:30], LABELS, "half", "")
    assert (fitted.apply(scores[30:], LABELS).argmax(axis=1) == truth[30:]).mean() > 0.95


def test_probabilities_sum_to_one_and_never_depend_on_the_label_order():
    scores, truth = biased_scores(30)
    fitted = fit(scores, truth, LABELS, "all", "")
    turned = [2, 0, 1]
    direct = np.exp(fitted.apply(scores, LABELS))
    assert direct.sum(axis=1) == pytest.approx(np.ones(30))
    assert np.exp(fitted.apply(scores[:, turned], [LABELS[i] for i in turned])) == pytest.approx(direct[:, turned])


def test_the_temperature_cools_an_overconfident_model():
    modest, truth = biased_scores(90, noise=1.5)
    loud, _ = biased_scores(90, certainty=4.0, noise=1.5)
    ratio = fit(loud, truth, LABELS, "", "").temperature / fit(modest, truth, LABELS, "", "").temperature
    assert ratio == pytest.approx(4.0, rel=0.15)


def test_calibrations_are_kept_by_model_and_prompt(tmp_path: Path):
    path = tmp_path / "calibration.json"
    first = Calibration({"friends": -1.0}, 1.5, 12, "stories", "5a")
    save_calibration(path, calibration_key("model@1", "pisc@2", "both"), first)
    save_calibration(
        path, calibration_key("model@1", "pipa@3", "both"), Calibration({"friends": -2.0}, 2.0, 12, "stories", "5a")
    )
    assert load_calibrations(path)[calibration_key("model@1", "pisc@2", "both")] == first
    assert len(load_calibrations(path)) == 2


@pytest.mark.parametrize("taxonomy", ["pisc", "pipa"])
def test_what_ships_was_fitted_to_the_shipped_model_prompt_and_phrases(taxonomy: str):
    settings, model = ReasoningSettings(), ReasoningSettings.model_fields["llm"].default
    entry = load_registry(settings.weights_dir, "reasoning", settings.profile)[model]
    chosen = builtin_taxonomies()[taxonomy]
    method = fitted_method(chosen.labels, DEFAULT_METHOD)
    key = calibration_key(f"{model}@{entry.sha256[:12]}", prompt_for(chosen).identity, method)
    fitted = load_calibrations(settings.weights_dir / "reasoning" / "calibration.json")[key]
    assert set(fitted.log_prior) == {label.name for label in chosen.labels} and fitted.held_out
