"""Frames -> H.264 in MP4. Every segment is coded with the same settings, so that segments join without a codec."""

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from services.talkinghead.schemas import FPS, LONGEST_SEGMENT
from services.talkinghead.video.marks import Marks

_BT709: Final = 1
"""Matrix, primaries and transfer are BT.709 and say so, or players would guess by the picture's size."""

_OPTIONS: Final = {
    "crf": "18",
    "preset": "veryfast",
    "bf": "0",  # no frame waits for a later one: decoding order is showing order, and a segment begins at time zero
    "g": str(LONGEST_SEGMENT),  # a segment is no longer than this, so that its first frame alone is a key frame
    "flags": "+cgop",
    "x264-params": "stitchable=1",  # headers that do not depend on the segment's length or content
}

_UNMARKED: Final = Marks()


def even_size(height: int, width: int) -> tuple[int, int]:
    """H.264 with halved colour planes (4:2:0) needs even edges: an odd one grows by a pixel."""
    return height + height % 2, width + width % 2


def encode_segment(
    frames: Iterable[NDArray[np.uint8]],
    height: int,
    width: int,
    threads: int,
    *,
    fps: Fraction = Fraction(FPS),
    pixel_aspect: Fraction = Fraction(1),
    marks: Marks = _UNMARKED,
) -> bytes:
    """(height, width, 3) RGB frames -> MP4 bytes at ``fps``, time base 1/fps, without sound.

    An odd edge is padded by its last row or column. Frames are taken one by one: memory does not grow with their
    number. ``pixel_aspect``: width of a pixel over its height. ``marks`` go into every frame.
    """
    coded_height, coded_width = even_size(height, width)
    padding = ((0, coded_height - height), (0, coded_width - width), (0, 0))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = coded_width, coded_height, "yuv420p"
        stream.time_base = 1 / fps
        context = stream.codec_context
        context.options = _OPTIONS
        context.sample_aspect_ratio = pixel_aspect
        context.thread_count = threads
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(marks.on_pixels(np.pad(pixels, padding, "edge")), format="rgb24")
            frame = frame.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
            )
            if marks.mark is not None:
                luma = np.frombuffer(frame.planes[0], np.uint8).reshape(coded_height, -1)[:, :coded_width]
                luma[:] = marks.on_luma(luma)
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
