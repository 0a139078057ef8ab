"""Segments as fragmented MP4: one behind the other they are the whole video, to the sample."""

import io
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.jobs.cuts import Cut, cuts
from gateway.jobs.fragment import Fragment, Tracks, fragment
from gateway.jobs.join import join
from tests.gateway.made_media import pictures, soundtrack

SEGMENT_FRAMES = 10


def chirp(seconds: float, rate_hz: int) -> np.ndarray:
    """A rising tone: no two places of it sound alike, so that nothing can be moved unheard."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * (200 + 300 * at) * at)).astype(np.float32)


def made_of_segments(
    folder: Path, sound: np.ndarray, rate_hz: int, fps: Fraction = Fraction(25), frames: int | None = None
) -> tuple[list[Fragment], Path]:
    """Fragments of the finished segments, and the video that is joined of the same segments."""
    plan = cuts(frames or math.ceil(len(sound) / rate_hz * 25), SEGMENT_FRAMES)
    paths = [folder / f"{cut.first_frame}.mp4" for cut in plan]
    for path, cut in zip(paths, plan, strict=True):
        path.write_bytes(pictures(cut.first_frame, cut.frames, fps))
    track = soundtrack(sound, rate_hz)
    join(paths, track, folder / "joined.mp4", fps)
    fragments = [
        fragment(Tracks(paths[0], path, cut.first_frame, track), cut, fps=fps, number=index + 1, last=cut is plan[-1])
        for index, (path, cut) in enumerate(zip(paths, plan, strict=True))
    ]
    return fragments, folder / "joined.mp4"


def played(mp4: bytes, fps: float = 25) -> tuple[list[float], np.ndarray, float]:
    """Times of the pictures in frames, the samples heard from time zero on, and the time of the first in seconds."""
    with av.open(io.BytesIO(mp4)) as video:
        times = [round(frame.time * fps, 3) for frame in video.decode(video=0)]
    with av.open(io.BytesIO(mp4)) as video:
        heard = list(video.decode(audio=0))
    return times, np.concatenate([frame.to_ndarray()[0] for frame in heard]), heard[0].time


@pytest.mark.parametrize(
    ("seconds", "rate_hz"), [(2.0, 16000), (1.5, 8000), (1.73, 44100), (2.011, 48000), (0.3, 22050)]
)
def test_fragments_behind_each_other_play_as_the_joined_video_does(tmp_path: Path, seconds: float, rate_hz: int):
    sound = chirp(seconds, rate_hz)
    fragments, joined = made_of_segments(tmp_path, sound, rate_hz)

    times, heard, begins_at = played(fragments[0].head + b"".join(piece.media for piece in fragments))

    assert times == list(range(math.ceil(seconds * 25)))
    assert begins_at == 0
    assert np.array_equal(heard, played(joined.read_bytes())[1])
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > 0.99
    assert 0 <= len(heard) - len(sound) < 1024  # what fills the last packet


def test_a_piece_is_the_same_whether_it_is_cut_from_its_segment_or_from_the_result(tmp_path: Path):
    fragments, joined = made_of_segments(tmp_path, chirp(1.9, 16000), 16000)
    plan = cuts(48, SEGMENT_FRAMES)

    for index, cut in enumerate(plan):
        again = fragment(
            Tracks(joined, joined, 0, joined), cut, fps=Fraction(25), number=index + 1, last=cut is plan[-1]
        )
        assert again.media == fragments[index].media, cut


def test_any_piece_plays_alone_at_its_time(tmp_path: Path):
    sound = chirp(2.0, 16000)
    fragments, _ = made_of_segments(tmp_path, sound, 16000)

    times, heard, begins_at = played(fragments[0].head + fragments[2].media)

    assert times == list(range(20, 30))
    first = round(begins_at * 16000)
    # The first packet begins within the piece; a decoder drops it, since it needs the one before to be right.
    assert 0.8 + 1024 / 16000 <= begins_at < 0.8 + 2048 / 16000
    assert np.corrcoef(heard, sound[first : first + len(heard)])[0, 1] > 0.99


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24)])
def test_pictures_at_another_rate_go_on_behind_the_sound(tmp_path: Path, fps: Fraction):
    sound = chirp(0.9, 16000)
    fragments, joined = made_of_segments(tmp_path, sound, 16000, fps, frames=75)

    times, heard, _ = played(fragments[0].head + b"".join(piece.media for piece in fragments), float(fps))

    assert times == list(range(75))
    assert np.array_equal(heard, played(joined.read_bytes())[1])
    again = fragment(Tracks(joined, joined, 0, joined), Cut(40, 10), fps=fps, number=5, last=False)
    assert again.media == fragments[4].media
