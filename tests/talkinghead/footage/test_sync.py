import numpy as np
import pytest

from services.talkinghead.footage.sync import LEAST_FRAMES, MOST_FRAMES, Run, agreement
from tests.talkinghead.conftest import draw_face
from tests.talkinghead.footage.conftest import babble


def run_of(frames: int, late: int, basis: np.ndarray, seed: int = 0) -> Run:
    """A drawn mouth that does what the sound of ``late`` frames afterwards says, and detection noise."""
    rng = np.random.default_rng(seed)
    actions = babble(rng, frames + 2 * MOST_FRAMES)
    rest = draw_face(scale=1.0, height=128, width=128).landmarks
    width = np.linalg.norm(rest[54] - rest[48])
    shown = actions[MOST_FRAMES + late : MOST_FRAMES + late + frames]
    noise = 0.3 * rng.standard_normal((frames, 68, 2))
    return (rest + width * np.tensordot(shown, basis, 1) + noise).astype(np.float32), actions


@pytest.mark.parametrize("late", [-11, -2, 0, 3, 12])
def test_the_lag_of_the_sound_is_found(late: int, basis: np.ndarray):
    together = agreement([run_of(100, late, basis), run_of(60, late, basis, seed=1)], basis)
    assert together.sure
    assert abs(together.lag_s - late / 25) < 0.02
    assert together.frames == 158  # changes between the frames of two runs


def test_sound_of_something_else_does_not_agree(basis: np.ndarray):
    for seed in range(5):
        landmarks, _ = run_of(LEAST_FRAMES, 0, basis, seed)
        _, actions = run_of(LEAST_FRAMES, 0, basis, seed + 100)
        assert not agreement([(landmarks, actions)], basis).sure


def test_silence_and_nothing_at_all_agree_with_nothing(basis: np.ndarray):
    landmarks, actions = run_of(LEAST_FRAMES, 0, basis)
    assert not agreement([(landmarks, 0 * actions)], basis).sure
    assert not agreement([], basis).sure
