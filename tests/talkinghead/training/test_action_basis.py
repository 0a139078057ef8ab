import numpy as np
import pytest

from services.common.faces.landmarks import MIRRORED
from services.talkinghead.footage.shard import Footage
from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.training.action_basis import MOUTH, explained, fit, shifts


def test_only_clips_that_stay_and_rest_closed_are_used(footage):
    assert len(list(shifts(Footage(footage, "train")))) == 2


def test_the_fit_explains_what_it_saw_and_new_faces_alike(footage):
    basis = fit(list(shifts(Footage(footage, "train"))))
    assert basis.shape == (len(ACTIONS), 68, 2)
    assert explained(basis, list(shifts(Footage(footage, "test"))), MOUTH) > 0.9
    jaw = basis[ACTIONS.index("jawOpen")]
    assert jaw[66, 1] > 10 * abs(jaw[62, 1])  # the lower lip drops, the upper stays
    assert not basis[:, 36:48].any()


def test_the_basis_is_symmetric(footage):
    basis = fit(list(shifts(Footage(footage, "train"))))
    np.testing.assert_allclose(basis[:, MIRRORED] * [-1, 1], basis, atol=1e-9)


def test_mirroring_twice_changes_nothing():
    assert np.array_equal(np.array(MIRRORED)[MIRRORED], np.arange(68))


def test_nothing_is_fitted_to_nothing():
    with pytest.raises(ValueError, match="need at least one array"):
        fit(list(shifts([])))
