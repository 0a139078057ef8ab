"""Which containers and codings of sound and moving pictures are opened at all, told by a file's content."""

from typing import Any, BinaryIO, Final

import av
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV imports both when it meets subtitles; a limited child can import nothing

MOVING_PICTURES: Final = "mov,matroska,avi"
SOUND: Final = "wav,w64,aiff,au,caf,mp3,mov,ogg,flac,matroska,avi,aac,amr,asf,mpegts,mpeg"
"""Containers, as libavformat's demuxers are called. A play list is none of them: it could name other files."""

MAX_PIXELS: Final = 8192 * 8192
"""Of a frame; what H.264 level 6.2 can hold."""

_CODINGS: Final = {
    # moving pictures
    "h264", "hevc", "vp8", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4", "h263", "mjpeg", "prores",
    # sound
    "aac", "mp2", "mp3", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "amr_nb", "amr_wb", "wmav1", "wmav2",
    "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav",
    "adpcm_ima_qt",
}  # fmt: skip
"""What cameras, phones, recorders and editors write. libavcodec knows hundreds more, old and little looked at."""


def _decoders() -> list[str]:
    found = []
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # it encodes only
            continue
        if codec.canonical_name in _CODINGS:
            found.append(name)
    return found


_WHITELIST: Final = ",".join(_decoders())


def open_media(stream: BinaryIO, containers: str, **options: Any) -> Any:
    """``av.open`` for a stranger's file: only ``containers``, probed by known decoders only. Raises as it does."""
    return av.open(stream, options={"format_whitelist": containers, "codec_whitelist": _WHITELIST}, **options)


def is_decoded(stream: Any) -> bool:
    """Is the coding of an opened stream one of those that are decoded?"""
    context = stream.codec_context
    return context is not None and context.codec.canonical_name in _CODINGS
