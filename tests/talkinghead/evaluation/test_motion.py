import numpy as np
import pytest

from services.talkinghead.evaluation.motion import at, best_correlation, correlation, jitter, landmark_distance

TIMES_S = (np.arange(200) + 0.5) / 25


def curve(shift_s: float = 0.0) -> np.ndarray:
    """No period, so that one lag alone is right."""
    time_s = TIMES_S - shift_s
    return np.sin(3 * time_s**1.5) + 0.5 * np.sin(11 * time_s + 1)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("late_ms", [-120, -40, 0, 60, 200])
def test_a_shifted_curve_s_lag_is_found_exactly(late_ms):
    found, lag_ms = best_correlation(np.nan_to_num(curve(late_ms / 1000)), np.nan_to_num(curve()), TIMES_S)
    assert lag_ms == late_ms
    assert found > 0.99


def test_a_mouth_that_does_not_move_goes_with_nothing():
    assert best_correlation(np.full(200, 0.1), curve(), TIMES_S) == (None, None)
    assert correlation(np.full(5, np.nan), np.arange(5.0)) is None


def test_frames_without_a_face_are_left_out():
    seen = np.arange(10.0)
    seen[4] = np.nan
    assert correlation(seen, -np.arange(10.0)) == pytest.approx(-1)
    assert at(seen, np.arange(10.0), np.array([4.0, -1.0]))[0] == 4  # its neighbours tell it
    assert np.isnan(at(seen, np.arange(10.0), np.array([-1.0, 11.0]))).all()


def test_even_motion_is_calm_and_trembling_is_not():
    ramp = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((20, 4, 4, 3), np.uint8)
    assert jitter(ramp) == 0
    trembling = ramp.copy()
    trembling[::2] += 6
    assert jitter(trembling) == pytest.approx(6)


def test_landmark_distance_is_in_pixels():
    truth = np.random.default_rng(0).uniform(0, 128, (5, 68, 2))
    assert landmark_distance(truth, truth) == 0
    assert landmark_distance(truth + np.array([3, 4]), truth) == pytest.approx(5)
