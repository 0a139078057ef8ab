import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.reasoning.calibration import fit
from services.reasoning.evaluation import (
    HELD_OUT,
    Evaluation,
    against,
    cross_validate,
    evaluate,
    expected_calibration_error,
    flips,
    reliability,
    risk_coverage,
    wilson_interval,
)
from services.reasoning.evaluation_report import evaluation_html
from services.reasoning.pipeline import Reasoner
from services.reasoning.schemas import LabelledStory
from services.reasoning.scored_stories import as_matrix, score_stories
from services.reasoning.stories import load_stories
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.fake_llm import FakeModel

PISC = builtin_taxonomies()["pisc"]
LABELS = [label.name for label in PISC.labels]


def write_stories(path: Path, labels: list[str]) -> Path:
    rows = [
        {"id": f"s{n}", "story": f"<P1> and <P2> meet {n} times. {label}", "pair": ["P1", "P2"], "label": label}
        for n, label in enumerate(labels)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def judged(scores: np.ndarray, truth: np.ndarray, labels: list[str], **options: Any) -> Evaluation:
    defaults: dict[str, Any] = {
        "calibration": None,
        "stories_sha256": "",
        "about": {"model": "m", "prompt": "p", "method": "raw"},
        "seconds_per_story": 1.0,
        "ids": [str(n) for n in range(len(truth))],
        "coarse": [None] * len(labels),
    }
    return evaluate(scores, truth, labels, **(defaults | options))


def test_the_wilson_interval_is_the_published_one():
    assert wilson_interval(45, 100) == pytest.approx((0.3561, 0.5476), abs=1e-4)
    assert wilson_interval(0, 10)[0] == pytest.approx(0) and wilson_interval(10, 10)[1] == pytest.approx(1)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    right = np.array([True] * 7 + [False] * 3)
    assert expected_calibration_error(np.full(10, 0.95), right) == pytest.approx(0.25)
    assert expected_calibration_error(np.full(10, 0.70), right) == pytest.approx(0.0, abs=1e-9)


def test_figures_of_a_known_confusion():
    truth = np.array([0, 0, 1, 1])
    scores = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.3, 0.7]]))
    about = {"model": "m", "prompt": "p", "method": "raw"}
    found = judged(scores, truth, ["a", "b"], about=about)
    assert found.accuracy == 0.75 and found.confusion == {"a": {"a": 1, "b": 1}, "b": {"a": 0, "b": 2}}
    assert found.per_class["a"].recall == 0.5 and found.per_class["a"].precision == 1.0
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert found.nll == pytest.approx(-np.log([0.9, 0.2, 0.8, 0.7]).mean())


def test_a_label_of_the_right_coarse_class_is_coarsely_right():
    truth = np.array([0, 1, 2, 2])
    scores = np.log(np.eye(3)[[0, 0, 2, 1]] * 0.8 + 0.1)
    assert judged(scores, truth, ["a", "b", "c"], coarse=["x", "x", "y"]).coarse_accuracy == 0.75
    assert judged(scores, truth, ["a", "b", "c"], coarse=["x", None, "y"]).coarse_accuracy is None


def test_risk_grows_with_coverage_where_the_unsure_are_wrong():
    sure, right = np.array([0.9, 0.8, 0.6, 0.5]), np.array([True, True, False, True])
    points = risk_coverage(sure, right)
    assert [point.risk for point in points] == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert [(point.coverage, point.probability) for point in points][:2] == [(0.25, 0.9), (0.5, 0.8)]


def test_reliability_bins_hold_every_story_once_and_give_the_calibration_error():
    rng = np.random.default_rng(0)
    sure, right = rng.uniform(0, 1, 200), rng.uniform(0, 1, 200) < 0.5
    bins = reliability(sure, right)
    assert sum(found.n for found in bins) == 200
    gaps = sum(abs(found.confidence - found.accuracy) * found.n for found in bins) / 200
    assert expected_calibration_error(sure, right) == pytest.approx(gaps)


def test_two_runs_are_compared_on_the_stories_that_they_share():
    truth = np.zeros(6, dtype=int)
    scores = np.log(np.eye(2)[[0, 0, 0, 0, 0, 1]] * 0.8 + 0.1)
    other = {"0": True, "1": False, "2": False, "3": False, "5": True, "elsewhere": True}
    found = against(judged(scores, truth, ["a", "b"]), other)
    assert (found.n, found.gained, found.lost) == (5, 3, 1) and found.p_value == pytest.approx(0.625)
    with pytest.raises(ValueError, match="no story in common"):
        against(judged(scores, truth, ["a", "b"]), {"elsewhere": True})


def test_flips_are_counted():
    found = flips(np.eye(3)[[0, 1, 2, 2]], np.eye(3)[[0, 1, 2, 0]])
    assert (found.n, found.flipped, found.rate) == (4, 1, 0.25) and found.interval[0] < 0.25 < found.interval[1]


def test_the_report_shows_every_picture_and_escapes_names():
    truth = np.arange(12) % 3
    scores = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 12))
    page = evaluation_html(judged(scores, truth, ["a<b", "b", "c"]))
    assert page.count("<svg") == 3 and "a&lt;b" in page and "a<b" not in page


def test_cross_validation_sees_through_a_prior_fitted_to_the_same_noise():
    rng = np.random.default_rng(1)
    truth = np.arange(240) % 6
    noise = cross_validate(rng.normal(size=(240, 6)), truth)
    knowing = cross_validate(3 * np.eye(6)[truth] + rng.normal(size=(240, 6)) + 9 * np.eye(6)[0], truth)
    assert noise.accuracy_interval[0] < 1 / 6 < noise.accuracy_interval[1]
    assert knowing.accuracy > 0.8 > knowing.accuracy_uncalibrated


def test_a_calibration_is_never_judged_by_the_stories_it_was_fitted_to():
    rng = np.random.default_rng(2)
    truth = np.arange(24) % 6
    scores = rng.normal(size=(24, 6))
    calibration = fit(scores, truth, LABELS, "stories", "5a")

    def figures(stories_sha256: str) -> Evaluation:
        about = {"model": "m", "prompt": "p", "method": "prior removed"}
        return judged(scores, truth, LABELS, calibration=calibration, stories_sha256=stories_sha256, about=about)

    own, other = figures("5a"), figures("b0")
    assert (own.accuracy, own.nll) == (own.cross_validated.accuracy, own.cross_validated.nll)
    assert own.nll > other.nll and HELD_OUT in own.method and other.method == "prior removed"


def test_too_few_stories_for_two_halves_are_refused():
    with pytest.raises(ValueError, match="too few"):
        cross_validate(np.zeros((6, 6)), np.arange(6))


def test_stories_take_turns_by_label(tmp_path: Path):
    path = write_stories(tmp_path / "s.jsonl", ["family"] * 3 + ["friends"] * 3 + ["couple"] * 3)
    assert [story.label for story in load_stories(path, PISC, 4)] == ["friends", "family", "couple", "friends"]


def test_a_line_that_is_no_story_is_named(tmp_path: Path):
    path = write_stories(tmp_path / "s.jsonl", ["family", "rivals"])
    with pytest.raises(ProblemError, match=r"s\.jsonl:2: label 'rivals'"):
        load_stories(path, PISC, None)
    path.write_text('{"id": "x"}')
    with pytest.raises(ProblemError, match=r"s\.jsonl:1"):
        load_stories(path, PISC, None)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path):
    stories = [
        LabelledStory(id=str(n), story=f"<P1> and <P2> meet {n} times.", pair=("P1", "P2"), label="family")
        for n in range(4)
    ]
    first, second = FakeModel(), FakeModel()
    interrupted = score_stories(Reasoner(first, {}), stories, PISC, tmp_path)
    begun = [next(interrupted), next(interrupted)]
    interrupted.close()
    whole = list(score_stories(Reasoner(second, {}), stories, PISC, tmp_path))
    assert whole[:2] == begun and as_matrix(whole).shape == (4, 6)
    assert second.reads.count('Story: """') == 2
