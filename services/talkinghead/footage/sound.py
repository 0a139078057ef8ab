"""The sound of a stretch of a video, on the clock of its pictures."""

from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from services.common.errors import ProblemError
from services.common.media import SOUND, open_media
from services.talkinghead.audio.decode import SILENCE_DBFS
from services.talkinghead.footage.clip import Floats
from services.talkinghead.speech.actions import SAMPLE_RATE_HZ

_EARLIER_S: Final = 1.0
"""Decoding begins this much ahead: coded sound needs some of what lies before it."""
_GAP_S: Final = 0.05
"""A time stamp that is further off than this from the sound before it tells of a gap, or of sound that overlaps."""


def read_sound(path: Path, start_s: float, end_s: float) -> Floats:
    """Mono float32 at 16 kHz of the file's seconds [start, end), zeros where there is none.

    Time 0 is where the file begins, pictures or sound, whichever comes first. Raises unsupported_media, audio_empty.
    """
    samples = np.zeros(round((end_s - start_s) * SAMPLE_RATE_HZ), np.float32)
    try:
        with path.open("rb") as file, open_media(file, SOUND) as container:
            if not container.streams.audio:
                raise ProblemError("audio_empty", "source: the video has no sound", param="videos")
            stream = container.streams.audio[0]
            origin_s = (container.start_time or 0) / av.time_base
            earlier_s = max(origin_s + start_s - _EARLIER_S, 0)
            container.seek(int(earlier_s / stream.time_base), stream=stream, backward=True)
            _fill(samples, container, stream, origin_s + start_s)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ProblemError(
            "unsupported_media", f"source: its sound cannot be read ({reason})", param="videos"
        ) from None
    return samples


def _fill(samples: Floats, container: Any, stream: Any, start_s: float) -> None:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    place = None  # of the next sample
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        told = round((float(frame.pts * stream.time_base) - start_s) * SAMPLE_RATE_HZ)
        if place is None or abs(told - place) > _GAP_S * SAMPLE_RATE_HZ:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
            place = told
        frame.pts = None
        for part in resampler.resample(frame):
            _put(samples, place, part.to_ndarray()[0])
            place += part.samples
        if place >= len(samples):
            return
    if place is not None:
        for part in resampler.resample(None):
            _put(samples, place, part.to_ndarray()[0])
            place += part.samples


def _put(samples: Floats, place: int, part: Floats) -> None:
    first, last = max(place, 0), min(place + len(part), len(samples))
    if first < last:
        samples[first:last] = part[first - place : last - place]


def is_silent(samples: Floats) -> bool:
    """Is it never louder than a quiet room?"""
    blocks = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    loudest = float(np.square(blocks, dtype=np.float64).mean(1).max(initial=0))
    return loudest < 10 ** (SILENCE_DBFS / 10)
