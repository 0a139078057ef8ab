import json
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.reasoning.calibration import fit
from services.reasoning.evaluation import (
    HELD_OUT,
    Evaluation,
    cross_validate,
    evaluate,
    expected_calibration_error,
    wilson_interval,
)
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
    found = evaluate(scores, truth, ["a", "b"], calibration=None, stories_sha256="", about=about, seconds_per_story=1.0)
    assert found.accuracy == 0.75 and found.confusion == {"a": {"a": 1, "b": 1}, "b": {"a": 0, "b": 2}}
    assert found.per_class["a"].recall == 0.5 and found.per_class["a"].precision == 1.0
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert found.nll == pytest.approx(-np.log([0.9, 0.2, 0.8, 0.7]).mean())


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
        return evaluate(
            scores,
            truth,
            LABELS,
            calibration=calibration,
            stories_sha256=stories_sha256,
            about=about,
            seconds_per_story=1.0,
        )

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
