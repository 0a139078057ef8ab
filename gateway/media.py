"""What a file is, by its first bytes. Names and declared types are not trusted, and nothing is decoded here."""

from typing import Final

HEAD_BYTES: Final = 64

NPY: Final = "application/x-npy"
SAFETENSORS: Final = "application/vnd.safetensors"

_PREFIXES: Final[list[tuple[bytes, str]]] = [
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x93NUMPY", NPY),
]
_RIFF_FORMS: Final = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_ISO_IMAGE_BRANDS: Final = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"avif": "image/avif"}
_ISO_OTHER_BRANDS: Final = {b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime"}


def sniff(head: bytes) -> str | None:
    """Media type of a file that begins with ``head`` (``HEAD_BYTES`` bytes suffice); None for any other file."""
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if head[4:9] == b"\0\0\0\0{":  # a length of eight bytes, little endian, and as much JSON
        return SAFETENSORS
    if head[:4] == b"RIFF":
        return _RIFF_FORMS.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _ISO_IMAGE_BRANDS.get(brand) or _ISO_OTHER_BRANDS.get(brand) or "video/mp4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # 11 sync bits: ADTS has layer 00, MPEG audio not
        return "audio/aac" if head[1] & 0x06 == 0 else "audio/mpeg"
    return None


def is_image(media_type: str) -> bool:
    """By its media type."""
    return media_type.startswith("image/")


def is_video(media_type: str) -> bool:
    """By its media type."""
    return media_type.startswith("video/")


def has_face(media_type: str) -> bool:
    """May the file be a portrait? A video counts: it is voiced anew."""
    return is_image(media_type) or is_video(media_type)


def has_sound(media_type: str) -> bool:
    """May the file hold speech? A video counts: its sound is used."""
    return media_type.startswith(("audio/", "video/"))


def has_features(media_type: str) -> bool:
    """May the file hold speech features?"""
    return media_type in (NPY, SAFETENSORS)
