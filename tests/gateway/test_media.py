import numpy as np
import pytest

from gateway.media import has_face, sniff
from tests.gateway.made_media import pictures, soundtrack, wav


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypheic", "image/heic"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "application/x-npy"),
        (b'\x40\x00\x00\x00\x00\x00\x00\x00{"logits":', "application/vnd.safetensors"),
        (b'{"a": 1}', None),
        (b"#EXTM3U\n/etc/passwd", None),
        (b"ffconcat version 1.0", None),
        (b"RIFF\x00\x00\x00\x00sfbk", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_type_is_told_by_the_first_bytes(head: bytes, media_type: str | None):
    assert sniff(head) == media_type


def test_real_files_are_known():
    assert sniff(wav(0.1)) == "audio/wav"
    assert sniff(pictures(0, 2)) == sniff(soundtrack(np.zeros(1600, np.float32), 16000)) == "video/mp4"


@pytest.mark.parametrize(
    ("media_type", "fits"), [("image/png", True), ("video/mp4", True), ("video/webm", True), ("audio/wav", False)]
)
def test_pictures_and_videos_may_show_a_face(media_type: str, fits: bool):
    assert has_face(media_type) is fits
