"""Encoded picture -> upright RGB pixels, whatever a camera, a phone or a mischievous caller wrote.

Only pixels leave this file: EXIF, and with it the place where a photo was taken, is read for its orientation alone.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from pydantic import ConfigDict

from services.common.errors import ProblemError
from services.common.limited import Limited, Limits

Image.init()  # a limited child can import nothing

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Told by content, never by name. Pillow's other decoders (EPS runs a program) are not reachable."""

_ANIMATED: Final = ("GIF", "WEBP", "PNG", "TIFF")
_EXIF_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 274: what must be done to the stored pixels so that they stand upright."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged bytes."""


@dataclass(frozen=True)
class Picture:
    """``pixels``: (H, W, 3) uint8 RGB, upright; ``warnings``: what the caller should know about the reading."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    pixels: npt.NDArray[np.uint8]
    warnings: list[str]


def read_picture(data: bytes, *, max_pixels: int = 50_000_000, param: str) -> Picture:
    """The first frame of an encoded picture; alpha is laid on white, 16 bits become 8. Decoded in a limited child.

    Raises ``unsupported_media`` where ``data`` is no picture of ``FORMATS`` or is damaged, and ``too_large`` where its
    header announces more than ``max_pixels`` (nothing is decoded then). ``param`` names the request field.
    """
    if not data:
        raise ProblemError("unsupported_media", f"{param}: it is empty (0 bytes)", param=param)
    return _LIMITED(data, max_pixels, param, param=param)


def _decode(stream: BinaryIO, max_pixels: int, param: str) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata help no caller
        image = _open(stream, max_pixels, param)
        kind = image.format
        try:
            remarks = _frame_remarks(image, param)
            orientation = _orientation(image)
            image = _as_rgb(image)
            if orientation in _UPRIGHT:
                image = image.transpose(_UPRIGHT[orientation])
        except _BROKEN as error:
            raise ProblemError(
                "unsupported_media", f"{param}: the {kind} is damaged or cut short ({error})", param=param
            ) from error
    return Picture(np.array(image), remarks)


_LIMITED: Final = Limited(_decode, Limits(seconds=30, cpu_s=30))


def _open(stream: BinaryIO, max_pixels: int, param: str) -> Image.Image:
    """Read the header only. Pillow itself refuses what is far too large, before we can ask for the size."""
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        stream.seek(0)
        raise ProblemError(
            "unsupported_media",
            f"{param}: its content is none of {', '.join(FORMATS)} (it begins with {stream.read(8)!r})",
            param=param,
        ) from None
    except Image.DecompressionBombError as bomb:
        raise ProblemError("too_large", f"{param}: {bomb}; at most {max_pixels} pixels are read", param=param) from bomb
    except _BROKEN as error:
        raise ProblemError("unsupported_media", f"{param}: its header is damaged ({error})", param=param) from error
    width, height = image.size
    if width * height > max_pixels:
        raise ProblemError(
            "too_large",
            f"{param}: {width} x {height} is {width * height} pixels; at most {max_pixels} are read",
            param=param,
        )
    return image


def _frame_remarks(image: Image.Image, param: str) -> list[str]:
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        return [f"{param}: the {image.format} has several frames; only the first was used"]
    return []


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _BROKEN:
        return 1  # broken metadata is no reason to refuse good pixels


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits; save it with 8 or 16 bits a channel")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
