"""Segments of pictures, the sound track and the captions -> one MP4, without encoding anything again."""

import heapq
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from gateway.jobs.captions import add_track, caption_packets
from services.talkinghead.schemas import Caption


@dataclass(frozen=True)
class JoinedVideo:
    """What the MP4 holds; ``duration_s`` is that of the longer of its two streams."""

    width: int
    height: int
    frames: int
    duration_s: float


def join(
    segments: Iterable[Path], soundtrack: bytes, target: Path, fps: Fraction, captions: Sequence[Caption] = ()
) -> JoinedVideo:
    """Remux ``segments`` (H.264 in MP4 at ``fps``, in order) and ``soundtrack`` (AAC in MP4) into ``target``,
    with a track of timed text where there are ``captions``.

    The index stands before the data ("faststart"), so that playing begins while the file is still being loaded.
    A segment is read before the next is asked for. Raises ValueError where they were not encoded alike.
    """
    paths = iter(segments)
    opening = next(paths)
    with (
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output,
        av.open(io.BytesIO(soundtrack)) as sound,
        av.open(str(opening)) as first,
    ):
        audio = sound.streams.audio[0]
        pictures = _pictures(chain([opening], paths), fps, output.add_stream_from_template(first.streams.video[0]))
        speech = _packets(sound, audio, output.add_stream_from_template(audio))
        told = caption_packets(captions, add_track(output)) if captions else iter(())
        frames = 0
        # Sound and pictures lie side by side in the file, as a player reads them.
        for packet in heapq.merge(pictures, speech, told, key=lambda packet: packet.dts * packet.time_base):
            frames += packet.stream.type == "video"
            output.mux(packet)
        width, height = first.streams.video[0].width, first.streams.video[0].height
        audio_s = float(audio.duration * audio.time_base)
    return JoinedVideo(width, height, frames, max(float(frames / fps), audio_s))


def _pictures(segments: Iterable[Path], fps: Fraction, target: Any) -> Iterator[Any]:
    """All segments' packets, each segment moved behind the frames before it."""
    frames, alike = 0, None
    for number, path in enumerate(segments):
        with av.open(str(path)) as segment:
            stream = segment.streams.video[0]
            form = (stream.width, stream.height, stream.time_base, stream.codec_context.extradata)
            if alike not in (None, form):
                raise ValueError(f"segment {number} was encoded unlike the one before")
            alike = form
            offset = round(frames / fps / stream.time_base)
            for packet in _packets(segment, stream, target):
                packet.pts += offset
                packet.dts += offset
                frames += 1
                yield packet


def _packets(container: Any, stream: Any, target: Any) -> Iterator[Any]:
    """Packets of one stream, bound for ``target``, without the empty one that ends it."""
    for packet in container.demux(stream):
        if packet.dts is not None:
            packet.stream = target
            yield packet
