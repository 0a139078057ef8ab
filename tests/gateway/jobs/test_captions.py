"""Captions in the MP4 and beside it."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.jobs.captions import read_track, webvtt
from gateway.jobs.join import join
from services.talkinghead.schemas import Caption
from tests.gateway.made_media import pictures, soundtrack

CAPTIONS = [
    Caption(begin_s=0.0, end_s=0.8, text="Good morning, Zoë & <friends>."),
    Caption(begin_s=1.0004, end_s=1.96, text="Tschüß → bye."),
]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "segment.mp4").write_bytes(pictures(0, 50))
    sound = soundtrack(np.zeros(32000, np.float32), 16000)
    join([tmp_path / "segment.mp4"], sound, tmp_path / "film.mp4", Fraction(25), CAPTIONS)
    return tmp_path / "film.mp4"


def test_the_track_of_a_video_holds_each_sentence_at_its_time(film: Path):
    told = read_track(film)

    assert [caption.text for caption in told] == [caption.text for caption in CAPTIONS]
    times = [(caption.begin_s, caption.end_s) for caption in told]
    assert times == [(0.0, 0.8), (1.0, 1.96)]
    with av.open(str(film)) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio", "subtitle"]
        assert video.duration == 2_000_000
        assert len(list(video.decode(video=0))) == 50


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg on this machine")
def test_another_program_reads_the_same_track(film: Path):
    command = ["ffmpeg", "-v", "error", "-i", film, "-map", "0:s", "-f", "webvtt", "-"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "00:00.000 --> 00:00.800\nGood morning, Zoë & <friends>.\n" in told
    assert "00:01.000 --> 00:01.960\nTschüß → bye.\n" in told


def test_a_video_of_a_recorded_voice_has_no_track(tmp_path: Path):
    (tmp_path / "segment.mp4").write_bytes(pictures(0, 25))
    sound = soundtrack(np.zeros(16000, np.float32), 16000)
    join([tmp_path / "segment.mp4"], sound, tmp_path / "film.mp4", Fraction(25))
    assert read_track(tmp_path / "film.mp4") == []


def test_webvtt_tells_times_to_the_millisecond_and_words_as_words():
    assert webvtt(CAPTIONS) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:00.800\nGood morning, Zoë &amp; &lt;friends&gt;.\n\n"
        "00:00:01.000 --> 00:00:01.960\nTschüß → bye.\n"
    )
    late = [Caption(begin_s=3661.5, end_s=3662.25, text="Still here.")]
    assert "01:01:01.500 --> 01:01:02.250" in webvtt(late)
