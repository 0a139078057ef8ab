"""Real video files for tests, made of any frames."""

import io
import struct
import tempfile
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def make_video(
    frames: Iterable[Bytes],
    fps: Fraction | int = 25,
    *,
    times: Sequence[float] | None = None,
    sound: bool | Floats = False,
    form: str = "mp4",
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
) -> bytes:
    """(H, W, 3) frames -> a file.

    ``times``: seconds at which they are shown, else evenly spaced by ``fps``; ``sound``: samples at 16 kHz, or True for
    a second of a constant.

    An MP4's index lies before the frames, where a file that is cut short still has it.
    """
    tick = Fraction(1, 600)
    options = {"movflags": "+faststart"} if form == "mp4" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"  # the index is moved in a second pass, which needs a file
        with av.open(str(path), "w", format=form, options=options) as container:
            stream = None
            hum = container.add_stream("aac", rate=16000, layout="mono") if sound is not False else None
            for number, pixels in enumerate(frames):
                if stream is None:
                    stream = container.add_stream(codec, rate=fps, options={"g": str(gop)})
                    stream.height, stream.width = pixels.shape[:2]
                    stream.pix_fmt, stream.bit_rate = pix_fmt, 2_000_000
                    if codec == "libx264":
                        stream.codec_context.options = {"crf": "16", "preset": "veryfast", "g": str(gop)}
                    if times is not None:
                        stream.codec_context.time_base = tick
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = round(times[number] / tick), tick
                else:
                    frame.pts, frame.time_base = number, 1 / Fraction(fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if hum is not None:
                samples = np.full(16000, 0.1, np.float32) if sound is True else np.asarray(sound, np.float32)
                block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
                block.sample_rate, block.pts = 16000, 0
                container.mux(hum.encode(block))
                container.mux(hum.encode(None))
        return path.read_bytes()


def decode_video(video: bytes) -> list[Bytes]:
    with av.open(io.BytesIO(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def with_matrix(video: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An MP4 whose display matrix is x' = a x + c y, y' = b x + d y: patched in the track header (ISO 14496-12)."""
    place = video.index(b"tkhd")
    version = video[place + 4]
    start = place + (52 if version else 40) + 4
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return video[:start] + matrix + video[start + 36 :]


def gradient(height: int, width: int, number: int = 0) -> Bytes:
    """Soft colours whose corners tell which way is up; ``number`` shifts the blue."""
    y, x = np.mgrid[0:height, 0:width]
    blue = np.full((height, width), (number * 9) % 200 + 20)
    return np.stack([x * 255 // width, y * 255 // height, blue], -1).astype(np.uint8)
