"""Damaged files of every kind, through every decoder that strangers reach.

Each is read, or refused with a code; none takes long, none ends a service. ``RACONTEUR_TEST_FUZZ=10000`` gives more of
them; the same number gives the same files.
"""

import io
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import pytest
from PIL import Image

from gateway.provenance.certificate import certificate_of
from gateway.provenance.verdict import LOOK
from gateway.settings import GatewaySettings
from services.common import limited
from services.common.errors import ProblemError
from services.common.pictures import read_picture
from services.talkinghead.audio.decode import decode_speech
from services.talkinghead.video.limited import LimitedVideo
from tests.fuzz.mutate import mutated
from tests.talkinghead.audio.test_decode import sound_file, tone
from tests.talkinghead.videos import gradient, make_video

FILES: Final = int(os.environ.get("RACONTEUR_TEST_FUZZ", "120"))
SLOWEST_S: Final = 20.0
CODES: Final = {"unsupported_media", "too_large", "audio_empty", "audio_silent", "audio_too_long"}

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(max(300, FILES))]


def pictures() -> list[bytes]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, dict[str, object]]] = [
        ("PNG", {"exif": exif}),
        ("JPEG", {"exif": exif}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("GIF", {"save_all": True, "append_images": [noise.rotate(90)]}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
    ]
    made = []
    for kind, options in kinds:
        target = io.BytesIO()
        noise.save(target, kind, **options)
        made.append(target.getvalue())
    return made


def sounds() -> list[bytes]:
    said = tone(0.3, 16_000)
    return [
        sound_file(said, 16_000, "wav", "pcm_s16le"),
        sound_file(said, 16_000, "wav", "adpcm_ms"),
        sound_file(said, 16_000, "mp3", "libmp3lame"),
        sound_file(said, 16_000, "flac", "flac"),
        sound_file(tone(0.3, 48_000), 48_000, "ogg", "libopus"),
        sound_file(said, 16_000, "mp4", "aac", picture=True),
        sound_file(said, 16_000, "adts", "aac"),
        sound_file(said, 16_000, "mpegts", "mp2"),
    ]


def videos() -> list[bytes]:
    frames = [gradient(48, 64, n) for n in range(6)]
    return [
        make_video(frames, sound=True),
        make_video(frames, gop=1),
        make_video(frames, codec="libx265"),
        make_video(frames, form="matroska", codec="libvpx-vp9"),
        make_video(frames, form="webm", codec="libvpx"),
        make_video(frames, form="avi", codec="mpeg4"),
        make_video(frames, form="avi", codec="mjpeg", pix_fmt="yuvj420p"),
        make_video(frames, form="mov", codec="prores_ks", pix_fmt="yuv422p10le"),
    ]


def watch(data: bytes) -> None:
    """All of a video, forwards, and then some of it backwards."""
    video = LimitedVideo(data, 2)
    stamps = np.array([frame.stamp for frame in video.frames()])
    if len(stamps) > 1:
        list(video.at(stamps, np.array([1, 0])))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Callable[[bytes], object], list[bytes]]]:
    """Each decoder, and the files it is for."""
    anchor = certificate_of(GatewaySettings(data_dir=tmp_path_factory.mktemp("data"))).anchor
    return [
        (lambda data: read_picture(data, max_pixels=1_000_000, param="photo"), pictures()),
        (lambda data: decode_speech(data, 60), sounds() + videos()[:1]),
        (watch, videos()),
        (lambda data: LOOK(data, anchor, param="video"), videos()),
    ]


def test_whole_files_are_read(ways):
    for read, files in ways:
        for data in files:
            try:
                read(data)
            except ProblemError as problem:
                assert problem.code in ("audio_empty", "audio_silent")  # of a video without sound


def test_damaged_files_are_read_or_refused_and_nothing_else_happens(ways):
    everything = [data for _, files in ways for data in files]
    watch(videos()[0])  # the server of children is there
    before, server = open_files(), limited._server._running
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    for number in range(FILES):
        random = Random(number)  # noqa: S311 - the same files each time
        read, files = ways[number % len(ways)]
        data = mutated(random.choice(files), everything, random)
        began = time.monotonic()
        try:
            read(data)
            outcomes["read"] += 1
        except ProblemError as problem:
            assert problem.code in CODES, (number, problem.code, problem.detail)
            assert "ended by code" not in problem.detail, (number, problem.detail)
            outcomes[problem.code] += 1
            outcomes["decoder died"] += "ended by" in problem.detail
        slowest_s = max(slowest_s, time.monotonic() - began)
        assert slowest_s < SLOWEST_S, number
    print(f"\n{FILES} files: {dict(outcomes)}; the slowest took {slowest_s:.2f} s")  # noqa: T201 - shown by -s

    assert limited._server._running is server
    assert open_files() <= before
    assert outcomes["read"] > FILES // 20
    assert outcomes["unsupported_media"] > FILES // 20
