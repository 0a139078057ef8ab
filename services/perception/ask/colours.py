"""Names for colours as a person would say them, and the colour that a region of clothing mostly has."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

MIN_PIXELS: Final = 60
MIN_SHARE: Final = 0.5
"""A garment of which no colour covers half is patterned, hidden or badly lit: better no name than a wrong one."""

COLOURS: Final = (
    "black", "grey", "white", "red", "orange", "brown", "beige", "yellow", "green", "light blue", "blue", "dark blue",
    "purple", "pink",
)  # fmt: skip


@dataclass(frozen=True)
class ColourShare:
    """A colour's everyday name, and its share of the pixels, 0..1."""

    name: str
    share: float


def main_colour(pixels: npt.NDArray[np.uint8]) -> ColourShare | None:
    """(N, 3) uint8 RGB of one garment -> its colour and the share of pixels that have it; None where unclear."""
    if len(pixels) < MIN_PIXELS:
        return None
    counts = np.bincount(_classes(pixels), minlength=len(COLOURS))
    best = int(counts.argmax())
    share = counts[best] / len(pixels)
    return ColourShare(COLOURS[best], float(share)) if share >= MIN_SHARE else None


def _classes(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Index into ``COLOURS`` per pixel, by hue, saturation and value."""
    hsv = cv2.cvtColor(np.ascontiguousarray(pixels)[None], cv2.COLOR_RGB2HSV)[0].astype(np.float32)
    hue, saturation, value = hsv[:, 0] * 2, hsv[:, 1] / 255, hsv[:, 2] / 255  # degrees, 0..1, 0..1
    chroma = saturation * value
    named = np.select(
        [
            (value < 0.22) | ((value < 0.32) & (saturation < 0.35)),
            (chroma < 0.1) & (value > 0.72),
            chroma < 0.1,
            ((hue < 14) | (hue >= 330)) & (saturation < 0.55) & (value > 0.6),
            (hue < 14) | (hue >= 345),
            (hue < 46) & (saturation < 0.42) & (value > 0.6),
            (hue < 46) & (value < 0.62),
            hue < 46,
            hue < 68,
            hue < 170,
            (hue < 255) & (value < 0.42),
            (hue < 255) & (value > 0.7) & (saturation < 0.5),
            hue < 255,
            hue < 300,
        ],
        [COLOURS.index(name) for name in (
            "black", "white", "grey", "pink", "red", "beige", "brown", "orange", "yellow", "green", "dark blue",
            "light blue", "blue", "purple",
        )],
        COLOURS.index("pink"),
    )  # fmt: skip
    return named.astype(np.int64)
