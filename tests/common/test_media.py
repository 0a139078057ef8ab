"""Which codings are decoded, and which only look as if they were."""

import io

import av
import numpy as np
import pytest

from services.common.media import MOVING_PICTURES, SOUND, is_decoded, open_media
from tests.talkinghead.videos import gradient, make_video


def sound_file(form: str, codec: str) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=form) as output:
        stream = output.add_stream(codec, rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


@pytest.mark.parametrize(
    ("form", "codec", "pix_fmt", "decoded"),
    [
        ("mp4", "libx264", "yuv420p", True),
        ("matroska", "libvpx-vp9", "yuv420p", True),
        ("avi", "mjpeg", "yuvj420p", True),
        ("mov", "prores_ks", "yuv422p10le", True),
        ("mov", "jpeg2000", "yuv420p", False),
        ("avi", "magicyuv", "yuv444p", False),
        ("matroska", "ffv1", "yuv420p", False),
    ],
)
def test_pictures_are_decoded_by_their_coding(form: str, codec: str, pix_fmt: str, decoded: bool):
    video = make_video((gradient(48, 64, n) for n in range(3)), form=form, codec=codec, pix_fmt=pix_fmt)

    with open_media(io.BytesIO(video), MOVING_PICTURES) as container:
        assert is_decoded(container.streams.video[0]) is decoded


@pytest.mark.parametrize(("form", "codec", "decoded"), [("wav", "pcm_s16le", True), ("matroska", "tta", False)])
def test_sound_is_decoded_by_its_coding(form: str, codec: str, decoded: bool):
    with open_media(io.BytesIO(sound_file(form, codec)), SOUND) as container:
        assert is_decoded(container.streams.audio[0]) is decoded


@pytest.mark.parametrize(
    "data",
    [b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", b"ffconcat version 1.0\nfile /etc/passwd\n", b"v=0\nc=IN IP4 127.0.0.1\n"],
    ids=["HLS", "concat", "SDP"],
)
def test_lists_of_other_files_are_not_opened(data: bytes):
    with pytest.raises((av.error.FFmpegError, ValueError)):
        open_media(io.BytesIO(data), SOUND)
