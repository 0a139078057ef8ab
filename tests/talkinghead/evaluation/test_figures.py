import numpy as np
import pytest

from services.talkinghead.evaluation.figures import loudness


def test_loudness_is_that_of_the_frame_and_zero_beyond_the_sound():
    samples = np.zeros(16000, np.float32)
    samples[4000:8000] = 0.5
    found = loudness(samples, np.array([0.1, 0.375, 0.5, 0.98, 2.0]))
    assert found.tolist() == pytest.approx([0, 0.5, 0.5 / np.sqrt(2), 0, 0])
