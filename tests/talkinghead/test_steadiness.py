"""The measures themselves, on a portrait and a video of a few frames."""

import pytest

from services.talkinghead.bench import steadiness_figures
from services.talkinghead.steadiness import leak, still_jitter
from tests.talkinghead.videos import make_video


def test_a_still_portrait_in_silence_is_still(talking_head, example_portrait):
    assert still_jitter(talking_head, talking_head._models, example_portrait) < 0.5


@pytest.fixture(scope="module")
def video(person):
    return make_video(person(n, opening=0.0 if n % 4 == 0 else None) for n in range(12))


def test_old_lips_do_not_show_in_silence(talking_head, video):
    found = leak(talking_head, talking_head._models, video, steps=1)
    assert abs(found.slope) < 0.25
    assert found.open_frames == 0
    assert found.jitter < found.source_jitter


def test_they_are_figures_of_the_bench(talking_head, example_portrait):
    ((name, figure),) = steadiness_figures(talking_head, talking_head._models, example_portrait, None).items()
    assert name.startswith("jitter: still portrait")
    assert figure.value < 0.5
