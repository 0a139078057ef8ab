"""A stranger's video: whatever decodes it runs in a limited child, from which upright pictures come one by one.

A child decodes no further ahead than its pipe holds, so that a long video needs no more memory than a short one.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from services.common.limited import Limited, Limits
from services.talkinghead.video.decode import Source, open_video
from services.talkinghead.video.upright import Bytes

_LIMITS: Final = Limits(seconds=60, cpu_s=3600, memory_bytes=6 << 30)
"""An hour of one core reads the longest video of the largest size that is taken."""

_PARAM: Final = "portrait"


@dataclass(frozen=True)
class Facts:
    """What is known of a video once it is open; see ``VideoReader`` and ``Upright``."""

    time_base: Fraction
    promised_frames: int
    promised_s: float
    guessed_fps: Fraction
    shape: tuple[int, int]
    pixel_aspect: Fraction


@dataclass(frozen=True)
class Frame:
    """``stamp`` in units of the time base; ``pixels`` (H, W, 3) RGB, upright."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    stamp: int
    pixels: Bytes


@dataclass(frozen=True)
class End:
    """``damaged``: was anything met that cannot be decoded?"""

    damaged: bool


class LimitedVideo:
    """What ``VideoReader`` is for a file that is trusted. Each way through the frames has a child of its own."""

    def __init__(self, source: Source, threads: int) -> None:
        """Raises unsupported_media, too_large."""
        self._source, self._threads = source, threads
        self.facts = _FACTS(source, threads, param=_PARAM)
        self.damaged = False
        """Known once all ``frames`` were seen."""

    def frames(self) -> Generator[Frame, None, None]:
        """All frames that decode, in showing order. Close it, where it is not exhausted."""
        with closing(_FRAMES.each(self._source, self._threads, param=_PARAM)) as items:
            for item in items:
                if isinstance(item, End):
                    self.damaged = item.damaged
                else:
                    yield item

    def at(self, stamps: NDArray[np.int64], numbers: NDArray[np.int64]) -> Generator[Bytes, None, None]:
        """Pictures ``numbers`` in this order, as ``VideoReader.at`` gives them. Close it, where it is not exhausted."""
        with closing(_AT.each(self._source, self._threads, stamps, numbers, param=_PARAM)) as frames:
            for frame in frames:
                yield frame.pixels


def _facts(file: BinaryIO, threads: int) -> Facts:
    with open_video(file, threads) as reader:
        return Facts(
            time_base=reader.time_base,
            promised_frames=reader.promised_frames,
            promised_s=reader.promised_s,
            guessed_fps=reader.guessed_fps,
            shape=reader.upright.shape,
            pixel_aspect=reader.upright.pixel_aspect,
        )


def _frames(file: BinaryIO, threads: int) -> Iterator[Frame | End]:
    with open_video(file, threads) as reader:
        for stamp, frame in reader.decoded():
            yield Frame(stamp, reader.upright.pixels(frame))
        yield End(reader.damaged)


def _at(file: BinaryIO, threads: int, stamps: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[Frame]:
    with open_video(file, threads) as reader:
        for number, pixels in zip(numbers, reader.at(stamps, numbers), strict=True):
            yield Frame(int(stamps[number]), pixels)


_FACTS: Final = Limited(_facts, _LIMITS)
_FRAMES: Final = Limited(_frames, _LIMITS)
_AT: Final = Limited(_at, _LIMITS)
