"""A stranger's video, decoded elsewhere, is the same video."""

import tracemalloc
from contextlib import closing

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.video.decode import open_video
from services.talkinghead.video.limited import LimitedVideo
from tests.talkinghead.videos import gradient, make_video, with_matrix


@pytest.fixture(scope="module")
def video() -> bytes:
    return with_matrix(make_video((gradient(48, 64, n) for n in range(20)), gop=5), 0, 1, -1, 0)


@pytest.mark.parametrize("form", ["bytes", "file"])
def test_its_frames_are_those_that_are_decoded_here(video: bytes, form: str, tmp_path):
    (tmp_path / "video").write_bytes(video)
    with open_video(video, 1) as reader, (tmp_path / "video").open("rb") as file:
        here = [(stamp, reader.upright.pixels(frame)) for stamp, frame in reader.decoded()]
        limited = LimitedVideo(video if form == "bytes" else file, 1)
        there = list(limited.frames())
        stamps = np.array([stamp for stamp, _ in here])
        picked = list(limited.at(stamps, np.array([9, 8, 8, 17])))

        facts = limited.facts
        assert (facts.shape, facts.pixel_aspect) == (reader.upright.shape, reader.upright.pixel_aspect)
        assert (facts.time_base, facts.guessed_fps) == (reader.time_base, reader.guessed_fps)
        assert (facts.promised_frames, facts.promised_s) == (reader.promised_frames, reader.promised_s)
    assert [frame.stamp for frame in there] == stamps.tolist()
    assert all(np.array_equal(mine.pixels, pixels) for mine, (_, pixels) in zip(there, here, strict=True))
    assert all(np.array_equal(pixels, here[n][1]) for pixels, n in zip(picked, [9, 8, 8, 17], strict=True))
    assert not limited.damaged


def test_damage_is_remembered():
    video = make_video((gradient(48, 64, n) for n in range(20)), form="matroska")
    limited = LimitedVideo(video[: len(video) * 3 // 4] + bytes(400) + video[len(video) * 3 // 4 :], 1)

    assert 0 < len(list(limited.frames())) < 20
    assert limited.damaged


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x20ftypisom and no more", b"#EXTM3U\n/etc/hostname\n"])
def test_what_is_no_video_is_refused(data: bytes):
    with pytest.raises(ProblemError) as caught:
        LimitedVideo(data, 1)
    assert (caught.value.code, caught.value.param) == ("unsupported_media", "portrait")


def test_a_coding_that_is_not_read_is_refused():
    with pytest.raises(ProblemError, match="no pictures whose coding is read"):
        LimitedVideo(make_video([gradient(48, 64)], form="mov", codec="jpeg2000"), 1)


def test_frames_of_another_video_are_missed(video: bytes):
    with pytest.raises(ProblemError, match="another video"):
        list(LimitedVideo(video, 1).at(np.array([0, 1, 2]), np.array([1])))


def test_a_long_video_needs_no_more_memory_than_a_short_one():
    """120 frames of 640 x 480 are 110 MB of pixels."""
    limited = LimitedVideo(make_video([gradient(480, 640)] * 120, codec="mpeg4"), 1)
    tracemalloc.start()
    with closing(limited.frames()) as frames:
        assert sum(1 for _ in frames) == 120
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20
