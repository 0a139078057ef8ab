"""A mouth that is measured on the made video."""

import cv2
import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.mouth import measure_mouth
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.schemas import MouthReport, SegmentOptions
from services.talkinghead.speech.actions import ACTIONS
from tests.talkinghead.videos import gradient, make_video


def measure(video: bytes, head: TalkingHead) -> MouthReport:
    return measure_mouth(video, head._models.faces, max_speech_s=60, threads=1)


def test_it_opens_in_the_speech_and_rests_in_the_silence(
    talking_head: TalkingHead, example_portrait: bytes, example_speech: bytes
):
    audio = talking_head.read_speech(example_speech)
    _, prepared = talking_head.prepare_speech(audio)
    options = SegmentOptions(first_frame=0, frames=60, steps=1, still=True)
    made = talking_head.frames(talking_head.portrait(example_portrait, None), prepared, options, lambda: None)
    frames = [cv2.resize(frame, (256, 300), interpolation=cv2.INTER_AREA) for frame in made]
    report = measure(make_video(frames, sound=audio.samples[: 60 * 640]), talking_head)

    assert report.fps == 25
    assert len(report.openings) == len(report.loudness) == 60
    jaw = prepared.actions[:60, ACTIONS.index("jawOpen")]
    openings = np.array(report.openings, float)
    assert openings[jaw > 0.3].mean() > 3 * openings[jaw == 0].mean()
    assert np.mean(report.loudness) == pytest.approx(
        np.sqrt(np.square(audio.samples[: 60 * 640].reshape(60, 640)).mean(1)).mean(), rel=0.15
    )


def test_where_no_face_is_there_is_no_opening(talking_head: TalkingHead):
    report = measure(make_video([gradient(120, 160, n) for n in range(10)], sound=True), talking_head)
    assert report.openings == [None] * 10
    assert min(report.loudness[1:-1]) > 0


def test_no_more_than_a_minute_is_measured(talking_head: TalkingHead, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.talkinghead.mouth.LONGEST_MEASURED_S", 0.2)
    assert len(measure(make_video([gradient(60, 80)] * 12, sound=True), talking_head).openings) == 5


def test_what_is_no_video_is_refused(talking_head: TalkingHead):
    with pytest.raises(ProblemError) as refused:
        measure(b"no video", talking_head)
    assert refused.value.code == "unsupported_media"
