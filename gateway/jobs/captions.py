"""Captions of a spoken text: as a track of the MP4, and as WebVTT beside it."""

import html
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from services.talkinghead.schemas import Caption

_TICK: Final = Fraction(1, 1000)
"""WebVTT knows milliseconds and no less, so the track counts them, too."""

_LENGTH_BYTES: Final = 2
"""Before the text of a sample (3GPP TS 26.245, section 5.17)."""


def webvtt(captions: Sequence[Caption]) -> str:
    """The file that players take as a ``<track>``."""
    cues = [f"{_clock(c.begin_s)} --> {_clock(c.end_s)}\n{html.escape(c.text, quote=False)}\n" for c in captions]
    return "\n".join(["WEBVTT\n", *cues])


def add_track(output: Any) -> Any:
    """A stream for captions (timed text, ``mov_text``) in an MP4 that is being written."""
    track = output.add_mux_stream("mov_text")
    track.time_base = _TICK
    return track


def caption_packets(captions: Sequence[Caption], track: Any) -> Iterator[Any]:
    """One packet a caption, bound for ``track``."""
    for caption in captions:
        text = caption.text.encode()
        packet = av.Packet(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
        packet.pts = packet.dts = _ticks(caption.begin_s)
        packet.duration = _ticks(caption.end_s) - packet.pts
        packet.time_base = _TICK
        packet.stream = track
        yield packet


def read_track(video: Path) -> list[Caption]:
    """The captions of a made video; none where it has no such track."""
    with av.open(str(video)) as container:
        if not container.streams.subtitles:
            return []
        track = container.streams.subtitles[0]
        found = [(packet, bytes(packet)) for packet in container.demux(track) if packet.dts is not None]
        return [
            Caption(
                begin_s=float(packet.pts * track.time_base),
                end_s=float((packet.pts + packet.duration) * track.time_base),
                text=sample[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(sample[:_LENGTH_BYTES], "big")].decode(),
            )
            for packet, sample in found
            if len(sample) > _LENGTH_BYTES  # an empty one is a pause between two
        ]


def _ticks(seconds: float) -> int:
    return round(seconds / _TICK)


def _clock(seconds: float) -> str:
    """``00:01:02.345``"""
    minutes, milliseconds = divmod(_ticks(seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
