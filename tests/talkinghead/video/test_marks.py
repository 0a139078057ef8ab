"""Frames that say that they were made."""

import io

import av
import numpy as np
import pytest

from services.common.watermark import Reading, mark_of, threshold
from services.talkinghead.video.encode import encode_segment
from services.talkinghead.video.marks import Marks


@pytest.mark.parametrize(("height", "width"), [(600, 512), (256, 256), (1080, 1920), (1920, 1080), (64, 48)])
def test_the_label_stands_in_the_lower_left_corner_and_nowhere_else(height: int, width: int):
    frame = np.full((height, width, 3), 90, np.uint8)

    changed = (Marks(label=True).on_pixels(frame) != frame).any(axis=-1)

    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[-1] == height - 1 and columns[0] == 0
    assert (frame == 90).all()
    if min(height, width) >= 256:
        assert height * 0.03 < len(rows) < height * 0.13
        assert len(columns) < width * 0.6


def test_the_label_is_white_on_dark_whatever_is_behind_it():
    for ground in (0, 128, 255):
        corner = Marks(label=True).on_pixels(np.full((512, 512, 3), ground, np.uint8))[-45:, :120]
        assert corner.max() > 230
        assert corner.min() < 150


def test_without_marks_a_frame_is_what_it_was():
    frame = np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)

    assert Marks().on_pixels(frame) is frame
    assert encode_segment([frame], 64, 96, 1) == encode_segment([frame], 64, 96, 1, marks=Marks())


def test_an_encoded_segment_carries_the_watermark_and_no_other():
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(40, 200, (12, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)] * 10
    video = encode_segment(frames, 240, 320, 1, marks=Marks(label=True, mark=mark_of("this")))

    reading = Reading()
    with av.open(io.BytesIO(video)) as container:
        for frame in container.decode(video=0):
            reading.add(frame.to_ndarray()[: frame.height])

    this, other = reading.scores([mark_of("this"), mark_of("other")])
    assert this > threshold(1_000_000)
    assert other < threshold(2)
