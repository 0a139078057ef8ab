from itertools import product

import numpy as np
import pytest

from services.reasoning.search.acceptance import paired_p_value


def test_it_is_the_share_of_sign_flips_that_are_as_extreme():
    differences = np.array([-1.0, -0.5, 0.2])
    as_extreme = [
        sum(s * abs(d) for s, d in zip(signs, differences, strict=True)) for signs in product((1, -1), repeat=3)
    ]
    assert paired_p_value(differences) == sum(total <= -1.3 + 1e-9 for total in as_extreme) / 8


def test_a_clear_gain_is_significant_and_a_loss_is_not():
    assert paired_p_value(np.full(8, -0.3)) == pytest.approx(1 / 256)
    assert paired_p_value(np.full(8, 0.3)) == 1.0


def test_no_difference_is_no_evidence():
    assert paired_p_value(np.zeros(8)) == 1.0


@pytest.mark.parametrize("n", [10, 20])
def test_of_chance_alone_one_in_ten_is_below_a_tenth(n: int):
    rng = np.random.default_rng(0)
    found = [paired_p_value(rng.normal(size=n)) for _ in range(100)]
    assert 0.02 < np.mean(np.array(found) < 0.1) < 0.2
