"""Frames of a source video, one by one: all of them, or those of a segment from the key frame before them."""

import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import numpy as np
from numpy.typing import NDArray

from services.common.errors import ProblemError
from services.common.media import MAX_PIXELS, MOVING_PICTURES, is_decoded, open_media
from services.talkinghead.schemas import FPS
from services.talkinghead.video.upright import Bytes, Upright

_SOUGHT: Final = ("mov", "matroska")
"""Containers whose time stamps are found again after a jump; an AVI's are not, and it is read from its start."""

MAX_EDGE_PX: Final = 8192

_READ_BYTES: Final = 1 << 18

SEEK_MARGIN: Final = 17
"""Frames before the first wanted one that are decoded, too. Coding puts a frame at most 16 places from where it is
shown, so that a key frame found this far ahead is followed by nothing that needs what lies before it."""


Source = bytes | BinaryIO
"""A file, open for reading (nothing but what is decoded is held in memory), or all of its bytes."""


def opened(source: Source) -> BinaryIO:
    """At its start."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    return file


class VideoReader:
    """An opened video with at least one frame that can be decoded."""

    def __init__(self, source: Source, threads: int) -> None:
        self._file, self._threads = opened(source), threads
        self._open()
        self.damaged = False
        """Was anything met that cannot be decoded?"""
        first = next(self.decoded(), None)
        if first is None:
            raise ProblemError("unsupported_media", "source: not one of its frames can be decoded", param="portrait")
        self._check_size(first[1])
        self.upright = Upright(first[1], self._stream.sample_aspect_ratio or Fraction(1))
        self.rewind(first[0])

    def close(self) -> None:
        self._container.close()

    @property
    def time_base(self) -> Fraction:
        base: Fraction = self._stream.time_base
        return base

    @property
    def promised_frames(self) -> int:
        """As the header tells; 0 where it does not."""
        return int(self._stream.frames)

    @property
    def promised_s(self) -> float:
        """Length of the file as the header tells; 0 where it does not."""
        return float((self._container.duration or 0) / av.time_base)

    @property
    def origin_s(self) -> float:
        """The time stamp, in seconds, at which the file begins: pictures or sound, whichever comes first."""
        return float((self._container.start_time or 0) / av.time_base)

    @property
    def guessed_fps(self) -> Fraction:
        """By the header, which may be wrong."""
        return self._stream.guessed_rate or Fraction(FPS)

    def decoded(self) -> Iterator[tuple[int, Any]]:
        """(time stamp, ``av.VideoFrame``) in showing order from here on; what is damaged is left out."""
        last = None
        for frame in self._whatever_decodes():
            stamp = frame.dts if frame.pts is None else frame.pts
            if stamp is not None and (last is None or stamp > last):
                last = stamp
                yield stamp, frame

    def at(self, stamps: NDArray[np.int64], numbers: NDArray[np.int64]) -> Generator[Bytes, None, None]:
        """Upright (H, W, 3) pictures ``numbers`` in this order, each as often as it is asked for.

        ``stamps`` (S,) are the time stamps of all decodable frames. Where the order goes back, the frames in between
        are held, coded as they are stored (1.5 bytes a pixel): ask for a segment, not for a whole video.
        """
        if (np.diff(numbers) >= 0).all():
            held = self._ascending(stamps, np.unique(numbers))
            number, frame = next(held)
            for wanted in numbers:
                while number < wanted:
                    number, frame = next(held)
                yield self.upright.pixels(frame)
        else:
            frames = dict(self._ascending(stamps, np.unique(numbers)))
            for wanted in numbers:
                yield self.upright.pixels(frames[wanted])

    def _ascending(self, stamps: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[tuple[int, Any]]:
        self.rewind(int(stamps[max(numbers[0] - SEEK_MARGIN, 0)]))
        wanted = iter(numbers)
        number = next(wanted)
        for stamp, frame in self.decoded():
            if stamp > stamps[number]:
                break
            if stamp == stamps[number]:
                yield number, frame
                if (following := next(wanted, None)) is None:
                    return
                number = following
        raise ProblemError(
            "invalid_request",
            f"portrait: its frame at time stamp {stamps[number]} is missing; the track is of another video",
            param="track",
        )

    def _whatever_decodes(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    self.damaged = True
                    continue
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    self.damaged = True
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        self.damaged = True
                    else:
                        yield frame
        except av.error.FFmpegError:
            self.damaged = True

    def rewind(self, stamp: int) -> None:
        """``decoded`` goes on at the key frame at or before ``stamp``."""
        if any(form in self._container.format.name for form in _SOUGHT):
            self._stream.codec_context.flush_buffers()
            self._container.seek(stamp, stream=self._stream, backward=True)
        else:
            self.close()
            self._open()

    def _open(self) -> None:
        self._container = open_media(opened(self._file), MOVING_PICTURES, buffer_size=_READ_BYTES)
        self._stream = _pictures(self._container)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self._threads
        self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}

    def _check_size(self, frame: Any) -> None:
        if max(frame.width, frame.height) > MAX_EDGE_PX:
            raise ProblemError(
                "too_large",
                f"source: {frame.width} x {frame.height} px; a video's edge is at most {MAX_EDGE_PX} px",
                param="portrait",
            )


@contextmanager
def open_video(source: Source, threads: int) -> Iterator[VideoReader]:
    """Open a video file. Raises unsupported_media, too_large."""
    try:
        reader = VideoReader(source, threads)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ProblemError(
            "unsupported_media",
            f"source: {_size(source)} bytes are no video file that can be read ({reason})",
            param="portrait",
        ) from None
    with closing(reader):
        yield reader


def _size(source: Source) -> int:
    return opened(source).seek(0, io.SEEK_END)


def _pictures(container: Any) -> Any:
    for stream in container.streams.video:
        if is_decoded(stream) and not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise ProblemError(
        "unsupported_media",
        f"source: the {container.format.name} file has no pictures whose coding is read",
        param="portrait",
    )
