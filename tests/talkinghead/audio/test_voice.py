import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.audio.voice import MAX_CHARACTERS, Voice


@pytest.fixture(scope="module")
def reader() -> Voice:
    return Voice(threads=1)


def test_a_text_is_spoken_and_the_same_text_gives_the_same_samples(reader):
    first, second = (reader.speak("Good morning to you.", 1.0, 60) for _ in range(2))
    assert 0.7 < first.duration_s < 3
    assert np.array_equal(first.samples, second.samples)


def test_a_higher_rate_is_shorter(reader):
    slow, fast = (reader.speak("Good morning to you.", rate, 60).duration_s for rate in (0.7, 1.6))
    assert fast < 0.6 * slow


@pytest.mark.parametrize(
    ("text", "code"),
    [("  \n", "invalid_request"), ("a" * (MAX_CHARACTERS + 1), "invalid_request"), ("Hello there.", "audio_too_long")],
    ids=["blank", "too many characters", "longer than the limit"],
)
def test_what_cannot_be_spoken_has_a_code(reader, text, code):
    with pytest.raises(ProblemError) as caught:
        reader.speak(text, 1.0, 0.1)
    assert (caught.value.code, caught.value.param) == (code, "text")
