"""What tells that a frame was made: words that are seen, and a mark that is not."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from services.common.watermark import embed

LABEL: Final = "AI-generated"
_HEIGHT: Final = 0.034
"""Of the letters, as a share of the frame's shorter edge; the words take at most ``_WIDTH`` of its width."""
_WIDTH: Final = 0.5
_SMALLEST_PX: Final = 7.0
_INK, _GROUND = 0.92, 0.45
"""Opacity of the white letters and of the black ground under them."""


@dataclass(frozen=True)
class Marks:
    """``label``: write ``LABEL`` into the lower left corner. ``mark``: the watermark, 32 hex digits."""

    label: bool = False
    mark: str | None = None

    def on_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) RGB with the label."""
        if not self.label:
            return pixels
        height, width = pixels.shape[:2]
        veil = _veil(height, width)
        top, right = height - veil.shape[0], veil.shape[1]
        marked = pixels.copy()
        corner = marked[top:, :right].astype(np.float32)
        marked[top:, :right] = np.rint(corner * veil[..., :1] + veil[..., 1:]).astype(np.uint8)
        return marked

    def on_luma(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) brightness with the watermark."""
        return luma if self.mark is None else embed(luma, self.mark)


@lru_cache(maxsize=8)
def _veil(height: int, width: int) -> NDArray[np.float32]:
    """(h, w, 2) for the lower left corner: what of the frame shows through, and the grey that is added."""
    size = max(_SMALLEST_PX, _HEIGHT * min(height, width))
    font = ImageFont.load_default(size)
    if font.getlength(LABEL) > _WIDTH * width:
        font = ImageFont.load_default(max(_SMALLEST_PX, size * _WIDTH * width / font.getlength(LABEL)))
    left, top, right, bottom = font.getbbox(LABEL)
    pad = round(size / 2)
    words = Image.new("L", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad), 0)
    ImageDraw.Draw(words).text((pad - left, pad - top), LABEL, fill=255, font=font)
    ink = np.asarray(words, np.float32)[:height, :width] / 255 * _INK
    return np.stack([(1 - _GROUND) * (1 - ink), 255 * ink], axis=-1)
