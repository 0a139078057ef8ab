import numpy as np
import pytest

from services.reasoning.search.objective import loss_gradient, losses

RNG = np.random.default_rng(0)
SCORES, TRUTH = RNG.normal(size=(7, 4)), RNG.integers(4, size=7)


def test_a_favourite_label_costs_nothing():
    assert losses(SCORES + np.array([5.0, 0, 0, 0]), TRUTH) == pytest.approx(losses(SCORES, TRUTH))


def test_knowing_the_answer_lowers_the_loss():
    assert losses(SCORES + np.eye(4)[TRUTH], TRUTH).mean() < losses(SCORES, TRUTH).mean()


def test_the_gradient_is_that_of_the_mean_loss():
    found, step = loss_gradient(SCORES, TRUTH), 1e-6
    for row, column in np.ndindex(*SCORES.shape):
        moved = SCORES.copy()
        moved[row, column] += step
        numeric = (losses(moved, TRUTH).mean() - losses(SCORES, TRUTH).mean()) / step
        assert found[row, column] == pytest.approx(numeric, abs=1e-5)
