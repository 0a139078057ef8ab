"""People and things marked in a photo: masks as tints, boxes, and a label with the symbol."""

import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.common.onnx_model import Float
from services.perception.segment.masks import MaskArray, Pixels

_HUES: Final = (222, 28, 150, 330, 190, 50, 275, 100)
_THING: Final = (70, 70, 70)
_TINT: Final = 0.35
_WHITE: Final = (255, 255, 255)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Mark:
    """``symbol`` P1 or O1; ``box`` (4,) in pixels; ``name`` stands behind the symbol; ``mask`` of any size."""

    symbol: str
    box: Float
    name: str = ""
    mask: MaskArray | None = None


def colour(symbol: str) -> Colour:
    """Of a person, as in the console; things are grey."""
    if symbol[0] != "P":
        return _THING
    red, green, blue = colorsys.hls_to_rgb(_HUES[(int(symbol[1:]) - 1) % len(_HUES)] / 360, 0.45, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def marked(pixels: Pixels, marks: Sequence[Mark]) -> Pixels:
    """A copy of the photo (H, W, 3) with its marks: things below, then people, then all labels, none hidden."""
    ordered = sorted(marks, key=lambda mark: mark.symbol[0] == "P")
    height, width = pixels.shape[:2]
    drawn = pixels.copy()
    for mark in ordered:
        if mark.mask is not None:
            _tint(drawn, mark.mask, colour(mark.symbol))
    picture = Image.fromarray(drawn)
    canvas = ImageDraw.Draw(picture)
    size = (width * height) ** 0.5
    thick = max(1, round(size / 290))
    for mark in ordered:
        canvas.rectangle(_inside(mark.box, width, height), outline=colour(mark.symbol), width=thick)
    font = ImageFont.load_default(max(10, round(size / 37)))
    taken: list[tuple[float, float, float, float]] = []
    for mark in reversed(ordered):
        taken.append(_label(canvas, mark, font, thick=thick, size=(width, height), taken=taken))
    return np.array(picture)


def as_png(pixels: Pixels) -> bytes:
    """(H, W, 3) uint8 -> an encoded picture without metadata."""
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "PNG", compress_level=3)
    return stored.getvalue()


def _tint(pixels: Pixels, mask: MaskArray, tone: Colour) -> None:
    height, width = pixels.shape[:2]
    full = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    pixels[full] = np.round(pixels[full] * (1 - _TINT) + np.array(tone) * _TINT).astype(np.uint8)


def _inside(box: Float, width: int, height: int) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in box)
    return [max(x0, 0), max(y0, 0), max(x0, min(x1, width - 1)), max(y0, min(y1, height - 1))]


def _label(
    canvas: ImageDraw.ImageDraw,
    mark: Mark,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    *,
    thick: int,
    size: tuple[int, int],
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """White words on the colour, in the box's upper left corner, or below the labels that are there already."""
    words = f"{mark.symbol} {mark.name}".strip()
    left, top, right, bottom = canvas.textbbox((0, 0), words, font=font)
    wide, high = right - left + 4 * thick, bottom - top + 4 * thick
    x = min(max(float(mark.box[0]), 0), max(0, size[0] - wide))
    y = min(max(float(mark.box[1]), 0), max(0, size[1] - high))
    for other in sorted(taken, key=lambda place: place[1]):
        if x < other[2] and other[0] < x + wide and y < other[3] and other[1] < y + high:
            y = min(other[3] + 1, max(0, size[1] - high))
    canvas.rectangle((x, y, x + wide, y + high), fill=colour(mark.symbol))
    canvas.text((x + 2 * thick - left, y + 2 * thick - top), words, font=font, fill=_WHITE)
    return x, y, x + wide, y + high
