import numpy as np
import pytest

from services.talkinghead.speech.features.extractor import resample


def test_vectors_at_50_hz_stay_as_they_are():
    features = np.random.default_rng(0).random((20, 3), dtype=np.float32)
    assert np.array_equal(resample(features, 50, 20), features)


@pytest.mark.parametrize("rate_hz", [25, 31.25, 100])
def test_a_ramp_keeps_its_times(rate_hz):
    middles_s = (np.arange(int(2 * rate_hz)) + 0.5) / rate_hz
    made = resample(middles_s[:, None].astype(np.float32), rate_hz, 100)
    inside = slice(3, -3)  # the ends are held
    assert np.allclose(made[inside, 0], ((np.arange(100) + 0.5) / 50)[inside], atol=1e-5)
    assert made.dtype == np.float32
