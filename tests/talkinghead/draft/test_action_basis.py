from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from services.talkinghead.draft.action_basis import load_action_basis
from services.talkinghead.speech.actions import ACTIONS
from services.talkinghead.training.action_basis import MIRRORED, explained, fit

WEIGHTS = Path(__file__).parents[3] / "weights" / "draft"


@pytest.fixture(scope="module")
def basis() -> dict[str, np.ndarray]:
    return dict(zip(ACTIONS, load_action_basis(WEIGHTS), strict=True))


def gap(shift: np.ndarray) -> float:
    """Change of the inner lips' distance."""
    return float(shift[66, 1] - shift[62, 1])


def test_every_landmark_has_a_shift_for_every_action(basis):
    assert {shift.shape for shift in basis.values()} == {(68, 2)}


def test_the_jaw_opens_the_mouth_by_its_lower_lip_and_takes_the_chin_along(basis):
    jaw = basis["jawOpen"]
    assert gap(jaw) > 0.3
    assert jaw[57, 1] > 5 * abs(jaw[51, 1])
    assert jaw[8, 1] > 0.2


def test_pressed_and_rolled_lips_close_the_mouth(basis):
    assert all(gap(basis[name]) < 0 for name in ("mouthPress", "mouthRollLower", "mouthRollUpper"))


def test_pucker_narrows_and_smile_widens(basis):
    def width(name: str) -> float:
        return float(basis[name][54, 0] - basis[name][48, 0])

    assert width("mouthPucker") < -0.05
    assert width("mouthSmile") > 0.05


def test_brows_and_eyes_stay(basis):
    assert all((shift[17:27] == 0).all() and (shift[36:48] == 0).all() for shift in basis.values())


def test_the_basis_is_symmetric(basis):
    for shift in basis.values():
        np.testing.assert_allclose(shift[MIRRORED] * [-1, 1], shift, atol=1e-5)


def test_a_basis_of_another_shape_is_refused(tmp_path):
    save_file({"basis": np.zeros((10, 68, 2), np.float32)}, tmp_path / "action_basis.safetensors")
    with pytest.raises(ValueError, match=r"\(10, 68, 2\)"):
        load_action_basis(tmp_path)


def test_the_fit_recovers_a_known_symmetric_basis():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(11, 68, 2))
    true = (true + true[:, MIRRORED] * [-1, 1]) / 2
    true[:, [*range(17, 27), *range(36, 48)]] = 0
    actions = rng.uniform(size=(2000, 11))
    clips = [(actions, np.tensordot(actions, true, 1))]
    assert explained(fit(clips), clips, slice(0, 68)) > 0.999
