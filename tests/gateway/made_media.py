"""Media made for tests: pictures that tell what they show, tones, videos whose frames tell their number."""

import io
import wave
from fractions import Fraction

import av
import numpy as np

from services.common.watermark import embed
from services.talkinghead.schemas import FPS

WIDTH, HEIGHT = 64, 48

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


def picture(shows: str) -> bytes:
    """Bytes that pass for a PNG; the fakes read from them what it ``shows``, for example "people=2" or "no_face"."""
    return PNG + shows.encode()


def wav(seconds: float, rate_hz: int = 16000, loudness: float = 0.3) -> bytes:
    """A tone as WAV."""
    samples = loudness * np.sin(np.arange(round(seconds * rate_hz)) * 2 * np.pi * 220 / rate_hz)
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return target.getvalue()


def pictures(first_frame: int, frames: int, fps: Fraction = Fraction(FPS), mark: str | None = None) -> bytes:
    """H.264 in MP4 with B-frames; the grey of each frame tells its number in the whole video."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=fps, options={"preset": "veryfast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(first_frame, first_frame + frames):
            grey = np.full((HEIGHT, WIDTH), grey_of(number), np.uint8)
            grey = grey if mark is None else embed(grey, mark)
            rgb = np.repeat(grey[..., None], 3, axis=-1)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        output.mux(stream.encode())
    return target.getvalue()


def grey_of(frame: int) -> int:
    return 20 + (frame * 2) % 200


def soundtrack(samples: np.ndarray, rate_hz: int) -> bytes:
    """AAC in MP4."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=rate_hz)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return target.getvalue()
