from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.client import read_captions, read_soundtrack, slice_speech
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.difftalk.audio_encoder import audio_windows
from services.talkinghead.schemas import Caption

CAPTIONS = (Caption(begin_s=0.0, end_s=0.5, text="Good morning."), Caption(begin_s=0.5, end_s=1.2, text="Schön."))


def prepared(frames: int = 3, vectors: int | None = None) -> PreparedSpeech:
    rng = np.random.default_rng(0)
    return PreparedSpeech(
        rng.random((frames, 11), dtype=np.float32),
        rng.random((2 * frames if vectors is None else vectors, 5), dtype=np.float32),
        b"sound",
        CAPTIONS,
    )


def test_what_was_prepared_comes_back_bit_for_bit():
    speech = prepared()
    read = PreparedSpeech.from_bytes(speech.to_bytes())
    for name in ("actions", "features"):
        assert np.array_equal(getattr(read, name), getattr(speech, name))
    assert read.soundtrack == b"sound"
    assert read.captions == CAPTIONS
    assert (read.first_frame, read.frames) == (0, 3)


@pytest.mark.parametrize("data", [b"", b"RIFF....WAVE", prepared().to_bytes()[:-7]], ids=["empty", "wav", "cut"])
def test_anything_else_is_refused(data):
    with pytest.raises(ProblemError, match="no prepared speech") as caught:
        PreparedSpeech.from_bytes(data)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "speech")


@pytest.mark.parametrize("speech", [prepared(0), prepared(3, 5)], ids=["no frames", "lengths that disagree"])
def test_arrays_that_do_not_fit_together_are_refused(speech):
    with pytest.raises(ProblemError, match="shapes"):
        PreparedSpeech.from_bytes(speech.to_bytes())


@pytest.mark.parametrize(("first", "frames"), [(0, 5), (7, 1), (40, 20), (195, 5)])
def test_a_slice_tells_a_segment_what_the_whole_tells(tmp_path: Path, first: int, frames: int):
    speech = prepared(200)
    (tmp_path / "speech").write_bytes(speech.to_bytes())
    part = PreparedSpeech.from_bytes(slice_speech(tmp_path / "speech", first, frames, Fraction(25)))
    assert part.frames == 200
    assert len(part.actions) <= frames + 20
    assert np.array_equal(part.actions_between(first, first + frames), speech.actions[first : first + frames])
    windows = audio_windows(speech.features)[first : first + frames]
    assert np.array_equal(part.windows_between(first, first + frames), windows)


def test_a_slice_follows_the_frame_rate_of_a_video(tmp_path: Path):
    speech = prepared(200)
    (tmp_path / "speech").write_bytes(speech.to_bytes())
    part = PreparedSpeech.from_bytes(slice_speech(tmp_path / "speech", 100, 50, Fraction(50)))  # seconds 2 to 3
    assert np.array_equal(part.windows_between(50, 76), speech.windows_between(50, 76))


def test_behind_the_speech_a_slice_still_tells_how_long_it_was(tmp_path: Path):
    (tmp_path / "speech").write_bytes(prepared(20).to_bytes())
    assert PreparedSpeech.from_bytes(slice_speech(tmp_path / "speech", 500, 25, Fraction(25))).frames == 20


def test_frames_that_a_slice_does_not_hold_are_named(tmp_path: Path):
    (tmp_path / "speech").write_bytes(prepared(200).to_bytes())
    part = PreparedSpeech.from_bytes(slice_speech(tmp_path / "speech", 50, 10, Fraction(25)))
    with pytest.raises(ProblemError, match="needs 90 to 91"):
        part.actions_between(90, 91)
    with pytest.raises(ProblemError, match="needs 29 to"):
        part.windows_between(37, 38)


def test_the_sound_is_read_alone(tmp_path: Path):
    (tmp_path / "speech").write_bytes(prepared().to_bytes())
    assert read_soundtrack(tmp_path / "speech") == b"sound"


def test_the_captions_are_read_from_the_file_alone(tmp_path: Path):
    (tmp_path / "speech").write_bytes(prepared().to_bytes())
    assert read_captions(tmp_path / "speech") == list(CAPTIONS)
