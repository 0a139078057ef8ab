import numpy as np
import pytest

from services.talkinghead.synthetic.moments import RUN_FRAMES, RUNS, moments


@pytest.mark.parametrize("n_frames", [2, 6, 31, 32, 90])
def test_the_first_frame_and_runs_in_a_row_none_of_them_twice(n_frames: int):
    for seed in range(20):
        chosen = moments(np.random.default_rng(seed), n_frames)
        assert chosen[0] == 0
        assert chosen[-1] < n_frames
        assert (np.diff(chosen) > 0).all()
        runs = chosen[1:].reshape(-1, RUN_FRAMES)
        assert len(runs) == min(RUNS, (n_frames - 1) // RUN_FRAMES)
        assert (np.diff(runs, axis=1) == 1).all()


def test_they_are_spread_over_the_sentence():
    firsts = np.concatenate([moments(np.random.default_rng(seed), 90)[1::RUN_FRAMES] for seed in range(200)])
    assert firsts.min() < 5
    assert firsts.max() > 80
