"""Joining segments with the sound: nothing encoded again, nothing cut."""

import io
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.jobs.join import join
from tests.gateway.made_media import grey_of, pictures, soundtrack


def segments(folder: Path, frames: int, size: int = 25, fps: Fraction = Fraction(25)) -> list[Path]:
    paths = []
    for first in range(0, frames, size):
        paths.append(folder / f"{first:06d}.mp4")
        paths[-1].write_bytes(pictures(first, min(size, frames - first), fps))
    return paths


@pytest.mark.parametrize(("seconds", "rate_hz"), [(3.37, 16000), (0.5, 8000), (2.0, 44100), (2.011, 48000)])
def test_pictures_and_sound_are_as_long_as_the_speech(tmp_path: Path, seconds: float, rate_hz: int):
    sound = np.sin(np.arange(round(seconds * rate_hz)) / 20).astype(np.float32)
    frames = math.ceil(seconds * 25)
    target = tmp_path / "joined.mp4"

    joined = join(segments(tmp_path, frames), soundtrack(sound, rate_hz), target, Fraction(25))

    assert (joined.frames, joined.width, joined.height) == (frames, 64, 48)
    with av.open(str(target)) as video:
        times = [frame.time for frame in video.decode(video=0)]
        audio = video.streams.audio[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(seconds, abs=0.001)
        assert joined.duration_s == pytest.approx(video.duration / 1e6, abs=0.001)
    assert times == pytest.approx([n / 25 for n in range(frames)])
    assert 0 <= joined.duration_s - seconds < 0.04
    with av.open(str(target)) as video:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])
    assert np.corrcoef(heard[: len(sound)], sound)[0, 1] > 0.99  # all of it, in its place


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24), Fraction(1350, 61)])
def test_frames_keep_their_rate_and_outlast_a_shorter_sound(tmp_path: Path, fps: Fraction):
    target = tmp_path / "joined.mp4"
    joined = join(segments(tmp_path, 70, fps=fps), soundtrack(np.zeros(16000, np.float32), 16000), target, fps)

    with av.open(str(target)) as video:
        times = [frame.time for frame in video.decode(video=0)]
        assert video.streams.video[0].average_rate == fps
    assert times == pytest.approx([float(n / fps) for n in range(70)])
    assert joined.duration_s == pytest.approx(float(70 / fps))


def test_packets_are_copied_as_they_are(tmp_path: Path):
    paths = segments(tmp_path, 50)
    target = tmp_path / "joined.mp4"
    join(paths, soundtrack(np.zeros(32000, np.float32), 16000), target, Fraction(25))

    def packets(source: Path) -> list[bytes]:
        with av.open(str(source)) as container:
            return [bytes(packet) for packet in container.demux(video=0) if packet.dts is not None]

    assert packets(target) == packets(paths[0]) + packets(paths[1])
    with av.open(str(target)) as video:
        greys = [frame.to_ndarray(format="gray").mean() for frame in video.decode(video=0)]
    assert greys == pytest.approx([grey_of(n) for n in range(50)], abs=3)


def test_segments_that_were_encoded_otherwise_are_refused(tmp_path: Path):
    paths = segments(tmp_path, 25)
    other = io.BytesIO()
    with av.open(other, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode())
    (tmp_path / "other.mp4").write_bytes(other.getvalue())

    with pytest.raises(ValueError, match="segment 1 was encoded unlike the one before"):
        join(
            [*paths, tmp_path / "other.mp4"],
            soundtrack(np.zeros(32000, np.float32), 16000),
            tmp_path / "o.mp4",
            Fraction(25),
        )
