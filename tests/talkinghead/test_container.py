import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.container import PreparedSpeech


def prepared(frames: int = 3, loudness_frames: int = 3) -> PreparedSpeech:
    rng = np.random.default_rng(0)
    return PreparedSpeech(
        rng.random((frames, 11), dtype=np.float32),
        rng.random(loudness_frames, dtype=np.float32),
        b"sound",
    )


def test_what_was_prepared_comes_back_bit_for_bit():
    speech = prepared()
    read = PreparedSpeech.from_bytes(speech.to_bytes())
    for name in ("actions", "loudness"):
        assert np.array_equal(getattr(read, name), getattr(speech, name))
    assert read.soundtrack == b"sound"
    assert read.frames == 3


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVE", prepared().to_bytes()[:-7]], ids=["empty", "wav", "cut"])
def test_anything_else_is_refused(data):
    with pytest.raises(ProblemError, match="no prepared speech") as caught:
        PreparedSpeech.from_bytes(data)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "speech")


@pytest.mark.parametrize("speech", [prepared(0, 0), prepared(3, 5)], ids=["no frames", "lengths that disagree"])
def test_arrays_that_do_not_fit_together_are_refused(speech):
    with pytest.raises(ProblemError, match="shapes"):
        PreparedSpeech.from_bytes(speech.to_bytes())
