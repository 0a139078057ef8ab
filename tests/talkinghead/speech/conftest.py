from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import resample_poly

SPEECH = Path(__file__).parents[3] / "examples" / "speech.wav"


@pytest.fixture(scope="session")
def voice() -> np.ndarray:
    """The example speech, a voice that training never heard: float32 mono at 16 kHz."""
    rate_hz, samples = wavfile.read(SPEECH)
    return resample_poly(samples.astype(np.float32) / 32768, 16_000, rate_hz).astype(np.float32)
