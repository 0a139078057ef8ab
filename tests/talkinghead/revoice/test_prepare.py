"""What a source video may cost before its face is known."""

from typing import Any

import pytest

from services.common.errors import ProblemError
from services.talkinghead.revoice.prepare import track_video
from services.talkinghead.schemas import TrackOptions
from services.talkinghead.settings import TalkingHeadSettings
from tests.talkinghead.videos import gradient, make_video


class Blind:
    """A finder of faces that counts how often it looks."""

    def __init__(self) -> None:
        self.looks = 0

    def find(self, _pixels: Any, **_: Any) -> list[Any]:
        self.looks += 1
        return []


@pytest.mark.parametrize(
    ("frames", "apart_s", "told"),
    [(12, 1 / 600, "more than 5 frames"), (12, 1 / 100, "lasts more than 0.02 s")],
    ids=["too many frames", "too long"],
)
def test_a_video_is_given_up_once_it_is_too_much(frames: int, apart_s: float, told: str):
    video = make_video([gradient(48, 64)] * frames, times=[n * apart_s for n in range(frames)])
    finder, settings = Blind(), TalkingHeadSettings(max_source_s=0.02)

    with pytest.raises(ProblemError, match=told) as caught:
        track_video(video, TrackOptions(), finder, settings, lambda: None)

    assert (caught.value.code, caught.value.param) == ("too_large", "portrait")
    assert finder.looks < frames
