"""Any sound file, and any video's sound -> 16 kHz mono for the features and a sound track at its own rate."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import av
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from services.common.errors import ProblemError
from services.common.limited import Limited, Limits
from services.common.media import SOUND, is_decoded, open_media
from services.talkinghead.audio.soundtrack import SoundtrackWriter
from services.talkinghead.schemas import Caption

FEATURE_RATE_HZ: Final = 16000

SILENCE_DBFS: Final = -60.0
"""Speech whose loudest tenth of a second lies below this level is silent: it is under the noise of a quiet room."""

_LEVEL_WINDOW: Final = FEATURE_RATE_HZ // 10


@dataclass(frozen=True)
class SpeechAudio:
    """Decoded speech: ``samples`` float32 mono 16 kHz in [-1, 1]; ``soundtrack`` AAC in MP4, as long as the speech.

    ``captions`` are there where it was made from a text.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    samples: NDArray[np.float32]
    soundtrack: bytes
    duration_s: float
    sample_rate_hz: int
    channels: int
    warnings: list[str]
    captions: tuple[Caption, ...] = ()


def decode_speech(data: bytes, max_duration_s: float) -> SpeechAudio:
    """Decode the bytes of a sound or video file, in a limited child.

    Raises unsupported_media (not a sound or video file), audio_empty (no sound in it), audio_silent (never louder than
    ``SILENCE_DBFS``), audio_too_long (more than ``max_duration_s``, found without decoding).
    """
    if not data:
        raise ProblemError("audio_empty", "speech: the file holds 0 bytes", param="speech")
    return _LIMITED(data, max_duration_s, param="speech")


def _read(file: BinaryIO, max_duration_s: float) -> SpeechAudio:
    with _open(file) as container:
        end_s = _end_s(container, _first_audio(container), max_duration_s)
    with _open(file) as container:
        stream = _first_audio(container)
        warnings = []
        if any(not _is_cover(video) for video in container.streams.video):
            warnings.append("speech is a video: its sound is used, its pictures are not")
        return _decode(container, stream, end_s, warnings)


_LIMITED: Final = Limited(_read, Limits(seconds=300, cpu_s=300))
"""An hour of speech, the most that is taken, is read in about a tenth of that."""


def encode_speech(samples: NDArray[np.float32], rate_hz: int) -> SpeechAudio:
    """Mono float32 samples in [-1, 1], for example of a synthetic voice, as if they had been read from a file."""
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate_hz
    return _gather(iter([frame]), rate_hz, "mono", [])


def _open(file: BinaryIO) -> Any:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        return open_media(file, SOUND)
    except (av.error.FFmpegError, ValueError) as error:
        raise ProblemError(
            "unsupported_media",
            f"speech: {size} bytes are no sound or video file that can be read ({_reason(error)})",
            param="speech",
        ) from None


def _first_audio(container: Any) -> Any:
    if not container.streams.audio:
        raise ProblemError("audio_empty", f"speech: the {container.format.name} file has no sound", param="speech")
    return container.streams.audio[0]


def _is_cover(video: Any) -> bool:
    """An MP3's or M4A's cover picture is stored as a video stream."""
    return bool(video.disposition & av.stream.Disposition.attached_pic)


def _end_s(container: Any, stream: Any, max_duration_s: float) -> float:
    """Where the sound ends, by its packets, which costs no decoding and trusts no header."""
    first, end, total = sys.maxsize, 0, 0
    try:
        for packet in container.demux(stream):
            total += packet.duration or 0
            if packet.pts is not None:
                first, end = min(first, packet.pts), max(end, packet.pts + (packet.duration or 0))
            if total * stream.time_base > max_duration_s:
                raise _too_long(max_duration_s)
    except av.error.FFmpegError:
        pass  # the decoder meets the same damage and says so
    if "mp4" not in container.format.name:
        return max_duration_s
    # An MP4 encoder's padding lies before zero, where the decoder drops it, and after the end, where it does not.
    return float((end - max(0, first)) * stream.time_base)


def _too_long(max_duration_s: float) -> ProblemError:
    return ProblemError(
        "audio_too_long", f"speech: it lasts more than {max_duration_s:g} s, which is the limit", param="speech"
    )


def _decode(container: Any, stream: Any, end_s: float, warnings: list[str]) -> SpeechAudio:
    context = stream.codec_context
    if not is_decoded(stream):
        raise ProblemError("unsupported_media", "speech: its sound has no known coding", param="speech")
    rate_hz = context.rate  # as it begins; the decoder may meet another one
    if not rate_hz or not context.channels:
        raise ProblemError("audio_empty", "speech: its sound has no rate or no channel", param="speech")

    def frames() -> Iterator[Any]:
        seen, form = 0, None
        end = round(end_s * rate_hz)
        try:
            for frame in container.decode(stream):
                if form not in (None, _form(frame)):
                    warnings.append(_damaged(seen / rate_hz))
                    return
                form = _form(frame)
                kept = frame if seen + frame.samples <= end else _head(frame, end - seen)
                seen += kept.samples
                yield kept
                if seen >= end:
                    return
        except av.error.FFmpegError as error:
            if not seen:
                raise ProblemError(
                    "unsupported_media", f"speech: its sound cannot be decoded ({_reason(error)})", param="speech"
                ) from None
            warnings.append(_damaged(seen / rate_hz))

    return _gather(frames(), rate_hz, "mono" if context.channels == 1 else "stereo", warnings)


def _form(frame: Any) -> tuple[str, str, int]:
    """Which no sound changes in its middle, unless it is damaged or two in one file."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _damaged(after_s: float) -> str:
    return f"speech is damaged after {after_s:.1f} s; what comes before is used"


def _head(frame: Any, samples: int) -> Any:
    planes = frame.to_ndarray()
    width = planes.shape[1] // frame.samples  # packed formats hold all channels in one plane
    head = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(planes[:, : samples * width]), format=frame.format.name, layout=frame.layout.name
    )
    head.sample_rate = frame.sample_rate
    return head


def _gather(frames: Iterator[Any], rate_hz: int, layout: str, warnings: list[str]) -> SpeechAudio:
    """Frame by frame into features and sound track, so that the full-rate samples are never held together."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=FEATURE_RATE_HZ)
    writer = SoundtrackWriter(rate_hz, layout)
    blocks = []
    count = 0
    for frame in frames:
        frame.pts = None  # sound follows sound: gaps and offsets of the file are not speech
        writer.write(frame)
        count += frame.samples
        blocks += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    if not count:
        raise ProblemError("audio_empty", "speech: it holds 0 samples", param="speech")
    blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    samples = np.concatenate(blocks).astype(np.float32)
    length = -(-count * FEATURE_RATE_HZ // rate_hz)
    samples = np.pad(samples, (0, max(0, length - len(samples))))[:length]
    _check_level(samples)
    return SpeechAudio(samples, writer.close(), count / rate_hz, writer.rate_hz, writer.channels, warnings)


def _check_level(samples: NDArray[np.float32]) -> None:
    whole = np.pad(samples, (0, -len(samples) % _LEVEL_WINDOW)).reshape(-1, _LEVEL_WINDOW)
    loudest = float(np.square(whole, dtype=np.float64).mean(1).max())
    level = 10 * np.log10(loudest) if loudest > 0 else -np.inf
    if level < SILENCE_DBFS:
        raise ProblemError(
            "audio_silent",
            f"speech: its loudest 0.1 s is {level:.0f} dBFS; speech is louder than {SILENCE_DBFS:.0f} dBFS",
            param="speech",
        )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
