import io
from fractions import Fraction

import av
import numpy as np
import pytest

from services.talkinghead.video.decode import open_video
from services.talkinghead.video.encode import encode_segment, even_size
from tests.talkinghead.videos import with_matrix


def colour_bars(height: int, width: int, number: int = 0) -> np.ndarray:
    colours = np.array([[200, 60, 50], [60, 170, 80], [40, 80, 190], [180, 180, 180]], np.uint8)
    columns = (np.arange(width) * 4 // width + number) % 4
    return np.repeat(colours[columns][None], height, 0)


def decoded(video: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("frames", [1, 7, 60])
def test_every_frame_is_there_and_time_begins_at_zero(frames):
    video = encode_segment((colour_bars(64, 96, n) for n in range(frames)), 64, 96, 1)
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        times = [round(packet.pts * stream.time_base * 25) for packet in container.demux(stream) if packet.size]
        assert stream.average_rate == 25
    assert times == list(range(frames))


def test_colours_come_back():
    bars = colour_bars(64, 96)
    shown = decoded(encode_segment([bars] * 3, 64, 96, 1))[1].astype(int)
    for column in (12, 36, 60, 84):  # the middles of the bars: chroma is halved at their edges
        assert np.abs(shown[32, column] - bars[32, column]).max() <= 6


def test_odd_edges_grow_by_their_last_pixels():
    assert even_size(63, 95) == (64, 96)
    shown = decoded(encode_segment([colour_bars(63, 95)], 63, 95, 1))[0]
    assert shown.shape == (64, 96, 3)
    assert np.abs(shown[63].astype(int) - shown[62]).max() <= 6


def test_headers_do_not_depend_on_length_or_content():
    def header(frames: list[np.ndarray]) -> bytes:
        with av.open(io.BytesIO(encode_segment(frames, 64, 96, 1))) as container:
            return bytes(container.streams.video[0].codec_context.extradata)

    assert header([colour_bars(64, 96)]) == header([np.zeros((64, 96, 3), np.uint8)] * 30)


def test_rate_and_pixels_that_are_not_square_are_kept():
    video = encode_segment([colour_bars(64, 96)] * 2, 64, 96, 1, fps=Fraction(30000, 1001), pixel_aspect=Fraction(4, 3))
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.sample_aspect_ratio) == (Fraction(30000, 1001), Fraction(4, 3))
    with open_video(video, 1) as reader:
        assert reader.upright.pixel_aspect == Fraction(4, 3)
    with open_video(with_matrix(video, 0, 1, -1, 0), 1) as reader:
        assert reader.upright.pixel_aspect == Fraction(3, 4)
