"""Looks into a stranger's video for what Raconteur puts there; runs in a limited child."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from gateway.provenance.credentials import Credentials, read
from services.common.errors import ProblemError
from services.common.media import MAX_PIXELS, MOVING_PICTURES, is_decoded, open_media
from services.common.watermark import Reading

_PICTURES: Final = 200
"""Are looked at: eight seconds at 25 pictures a second."""


@dataclass(frozen=True)
class Look:
    """What was found: credentials (None: none), and what the first pictures say of a watermark."""

    credentials: Credentials | None
    reading: Reading


def look(stream: BinaryIO, anchor: str) -> Look:
    """Raises ``unsupported_media`` where it is no video that can be decoded."""
    credentials = read(stream, anchor)
    stream.seek(0)
    reading = Reading()
    try:
        with open_media(stream, MOVING_PICTURES) as container:
            track = container.streams.video[0]
            if not is_decoded(track):
                raise ProblemError("unsupported_media", "video: its coding is not read", param="video")
            for frame in islice(container.decode(track), _PICTURES):
                if frame.width * frame.height > MAX_PIXELS:
                    raise ProblemError("too_large", f"video: {frame.width} x {frame.height} px", param="video")
                reading.add(_luma(frame))
    except (av.error.FFmpegError, IndexError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ProblemError("unsupported_media", f"video: it cannot be decoded ({reason})", param="video") from None
    return Look(credentials, reading)


def _luma(frame: Any) -> NDArray[np.uint8]:
    """(H, W) of what is called limited range, in which the watermark was put there."""
    plane = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG).planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
