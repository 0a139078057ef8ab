"""Truth and made frames side by side, with the sound that drives them."""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.evaluation.subject import Shot
from services.talkinghead.video.encode import encode_segment

Bytes = NDArray[np.uint8]

EDGE_PX: Final = 384
_THREADS: Final = 1


class Film:
    """Face squares of the truth (left) and of what was made (right)."""

    def __init__(self, fps: Fraction) -> None:
        self._fps = fps
        self._pictures: list[bytes] = []
        self._last = np.zeros((EDGE_PX, 2 * EDGE_PX, 3), np.uint8)

    def recorded(self, shots: Iterable[Shot]) -> Iterator[Shot]:
        """The same shots, each remembered; one that has no face square shows the picture before."""
        for shot in shots:
            if shot.square is not None:
                self._last = np.hstack([shot.square.cut(pixels, EDGE_PX) for pixels in (shot.truth, shot.made)])
            _, coded = cv2.imencode(".jpg", cv2.cvtColor(self._last, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 97])
            self._pictures.append(coded.tobytes())
            yield shot

    def save(self, path: Path, soundtrack: bytes) -> None:
        """MP4 with ``soundtrack`` (AAC in MP4), as long as the shorter of both."""
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures = encode_segment(self._decoded(), EDGE_PX, 2 * EDGE_PX, _THREADS, fps=self._fps)
        path.write_bytes(with_sound(pictures, soundtrack))

    def _decoded(self) -> Iterator[Bytes]:
        for coded in self._pictures:
            yield cv2.cvtColor(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def with_sound(pictures: bytes, soundtrack: bytes) -> bytes:
    """Both MP4 files in one; no packet is coded anew."""
    buffer = io.BytesIO()
    with (
        av.open(buffer, "w", format="mp4") as made,
        av.open(io.BytesIO(pictures)) as seen,
        av.open(io.BytesIO(soundtrack)) as heard,
    ):
        video, audio = seen.streams.video[0], heard.streams.audio[0]
        tracks = {video: made.add_stream_from_template(video), audio: made.add_stream_from_template(audio)}
        end_s = float(video.duration * video.time_base)
        for source, stream in ((seen, video), (heard, audio)):
            for packet in source.demux(stream):
                if packet.dts is not None and packet.dts * packet.time_base < end_s:
                    packet.stream = tracks[stream]
                    made.mux(packet)
    return buffer.getvalue()
