"""One segment of a talking video with its sound as fragmented MP4, for HLS, without encoding anything again."""

import heapq
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from gateway.jobs.cuts import Cut

_FLAGS: Final = "frag_custom+empty_moov+delay_moov+default_base_moof+skip_trailer"
"""One fragment, cut where the file is closed; "delay_moov" lets the head tell how much of the sound is priming."""


@dataclass(frozen=True)
class Tracks:
    """Where the packets of a segment are.

    ``opening`` is the file whose pictures begin with frame 0; ``pictures`` the one whose pictures begin with
    ``pictures_from`` and hold the segment; ``sound`` an MP4 whose sound begins at time zero.
    """

    opening: Path
    pictures: Path
    pictures_from: int
    sound: Path | bytes


@dataclass(frozen=True)
class Fragment:
    """``head`` (ftyp, moov) serves all segments of a video where it is that of its first; ``media`` is moof, mdat."""

    head: bytes
    media: bytes


def fragment(tracks: Tracks, cut: Cut, *, fps: Fraction, number: int, last: bool) -> Fragment:
    """Remux the pictures of ``cut`` and the sound that begins while they are shown; the ``last`` takes all the rest.

    ``number`` counts from 1. The media's times are those of the whole video, so that fragments follow each other
    without a gap and any of them can be played behind the head.
    """
    target = io.BytesIO()
    begin, end = cut.first_frame / fps, cut.end_frame / fps
    options = {"movflags": _FLAGS if begin == 0 else f"{_FLAGS}+frag_discont", "fragment_index": str(number)}
    with (
        av.open(target, "w", format="mp4", options=options) as output,
        av.open(str(tracks.opening)) as opening,
        av.open(str(tracks.pictures)) as pictures,
        av.open(io.BytesIO(tracks.sound) if isinstance(tracks.sound, bytes) else str(tracks.sound)) as sound,
    ):
        video, audio = pictures.streams.video[0], sound.streams.audio[0]
        shown = _Span(video, _first_dts(opening, opening.streams.video[0]), begin, end)
        heard = _Span(audio, _first_dts(sound, audio), begin, None if last else end)
        packets = (
            shown.packets(output.add_stream_from_template(video), tracks.pictures_from / fps),
            heard.packets(output.add_stream_from_template(audio), Fraction(0)),
        )
        for packet in heapq.merge(*packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return _split(target.getvalue())


@dataclass(frozen=True)
class _Span:
    """The packets of ``stream`` that are due in [begin, end) seconds of a video whose first packet has ``first_dts``.

    ``first_dts`` is below zero for sound by the encoder's priming, for pictures by the frames that are decoded ahead.
    """

    stream: Any
    first_dts: int
    begin: Fraction
    end: Fraction | None

    def packets(self, target: Any, offset: Fraction) -> Iterator[Any]:
        """Bound for ``target``; the stream's time zero lies at ``offset`` seconds of the video."""
        tick = self.stream.time_base
        container, moved, shift = self.stream.container, round(offset / tick), None
        container.seek(round(self.begin / tick) - moved + self.first_dts, stream=self.stream)
        for packet in container.demux(self.stream):
            if packet.dts is None:
                return
            due = (packet.pts + moved) * tick
            if self.end is not None and due >= self.end:
                return
            if self.begin > 0:
                if due < self.begin:
                    continue
                if shift is None:
                    # The muxer takes the first packet's pts for the time from the track's start at which its decoding
                    # begins; the track started with first_dts.
                    shift = moved + packet.dts - packet.pts - self.first_dts
                packet.pts += shift
                packet.dts += shift
            packet.stream = target
            yield packet


def _first_dts(container: Any, stream: Any) -> int:
    return int(next(container.demux(stream)).dts)


def _split(mp4: bytes) -> Fragment:
    at = 0
    while mp4[at + 4 : at + 8] != b"moof":
        at += int.from_bytes(mp4[at : at + 4], "big")
    return Fragment(mp4[:at], mp4[at:])
