import shutil
from pathlib import Path

import numpy as np
import pytest
from hibari.voices import VOICES, voice_path

from services.common.errors import ProblemError
from services.talkinghead.audio.voice import MAX_CHARACTERS, Voices


@pytest.fixture(scope="module")
def reader() -> Voices:
    return Voices(threads=1)


def test_a_text_is_spoken_and_the_same_text_gives_the_same_samples(reader):
    first, second = (reader.speak("Good morning to you.", 1.0, 60) for _ in range(2))
    assert 0.7 < first.duration_s < 3
    assert np.array_equal(first.samples, second.samples)


def test_each_sentence_is_a_caption_from_its_first_sample_to_its_last(reader):
    text = "Good morning,  to you.\nHow are you today?\n\u2605"
    spoken = reader.speak(text, 1.0, 60)
    alone = reader.speak("Good morning, to you.", 1.0, 60)

    assert [caption.text for caption in spoken.captions] == ["Good morning, to you.", "How are you today?"]
    first, second = spoken.captions
    assert (first.begin_s, first.end_s) == (0, alone.duration_s)
    assert (second.begin_s, second.end_s) == (first.end_s, spoken.duration_s)


def test_a_sentence_too_long_for_the_voice_is_one_caption(reader):
    spoken = reader.speak("One more word, " * 60 + "and done.", 2.0, 120)
    assert len(spoken.captions) == 1
    assert spoken.captions[0].end_s == spoken.duration_s


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


def test_the_voice_of_the_package_speaks_by_name_or_by_default(reader):
    assert next(view.name for view in reader.views()) == "heart"
    named, default = (reader.speak("Good morning.", 1.0, 60, voice) for voice in ("heart", None))
    assert np.array_equal(named.samples, default.samples)


@pytest.mark.parametrize("name", ["nobody", "emma", "../heart"])
def test_a_voice_that_is_not_there_is_refused_and_the_others_are_named(reader, monkeypatch, tmp_path: Path, name):
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(ProblemError, match=r"is not one of \['heart'\]") as caught:
        reader.speak("Good morning.", 1.0, 60, name)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "voice")
    assert caught.value.extra["voices"] == ["heart"]
    assert not any(tmp_path.iterdir())  # nothing was fetched


def test_a_voice_whose_file_was_put_there_is_offered_but_only_the_published_file_is_read(
    reader, monkeypatch, tmp_path: Path
):
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    shutil.copy(voice_path("heart"), tmp_path / VOICES["emma"]["file"])
    assert {view.name: (view.language, view.gender) for view in reader.views()}["emma"] == ("en-GB", "female")
    with pytest.raises(ProblemError, match="not the published file") as caught:
        reader.speak("Good morning.", 1.0, 60, "emma")
    assert caught.value.code == "model_unavailable"
