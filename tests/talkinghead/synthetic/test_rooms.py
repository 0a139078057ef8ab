import numpy as np
import pytest

from services.talkinghead.synthetic.rooms import degrade, noise, reverberate, tones


@pytest.mark.parametrize("make", [noise, tones])
def test_noises_have_unit_power(make):
    assert np.sqrt((make(np.random.default_rng(3), 16_000) ** 2).mean()) == pytest.approx(1, rel=0.1)


def test_a_room_adds_a_tail_but_moves_nothing():
    click = np.zeros(16_000, np.float32)
    click[4000] = 1
    heard = reverberate(np.random.default_rng(0), click)
    assert np.abs(heard).argmax() == 4000
    assert np.abs(heard[:3999]).max() < 1e-6
    assert (heard[4001:8000] ** 2).sum() > 1e-3


def test_recordings_stay_in_range_and_in_step():
    rng = np.random.default_rng(5)
    wave = np.zeros(32_000, np.float32)
    wave[16_000:] = rng.normal(0, 0.2, 16_000)
    for seed in range(20):
        heard = degrade(np.random.default_rng(seed), wave)
        assert np.abs(heard).max() <= 1
        assert heard[16_000:].std() > heard[:16_000].std()
