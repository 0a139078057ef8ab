"""A decoded frame -> upright RGB pixels: turned as its display matrix says, in the colours that a player shows."""

from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_UNSPECIFIED: Final = 2
_HD_LINES: Final = 720
"""Players take a video without a word on its colours for BT.709 from this height on, and for BT.601 below."""


class Upright:
    """How the frames of one video are read, told by the first of them."""

    def __init__(self, frame: Any, pixel_aspect: Fraction) -> None:
        """``frame`` is an ``av.VideoFrame``; ``pixel_aspect`` is width over height of a stored pixel."""
        self._width, self._height = frame.width, frame.height
        self._swap, self._flip_rows, self._flip_columns = _orientation(frame)
        unnamed = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
        self._colorspace = unnamed if frame.colorspace == _UNSPECIFIED else frame.colorspace
        self.pixel_aspect = 1 / pixel_aspect if self._swap else pixel_aspect

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the upright pictures."""
        return (self._width, self._height) if self._swap else (self._height, self._width)

    def pixels(self, frame: Any) -> Bytes:
        """``av.VideoFrame`` -> (height, width, 3); a frame of another size than the first one is brought to it."""
        rgb = frame.reformat(
            width=self._width,
            height=self._height,
            format="rgb24",
            src_colorspace=self._colorspace,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,
        ).to_ndarray()
        if self._swap:
            rgb = rgb.transpose(1, 0, 2)
        if self._flip_rows:
            rgb = rgb[::-1]
        if self._flip_columns:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(rgb)


def _orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Swap rows and columns? Then flip the rows? The columns? By the display matrix, to the nearest quarter turn."""
    entry = frame.side_data.get(Type.DISPLAYMATRIX)
    if entry is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(entry), np.int32)[:5]  # x' = a x + c y, y' = b x + d y
    if abs(int(b)) > abs(int(a)):
        return True, bool(b < 0), bool(c < 0)
    return False, bool(d < 0), bool(a < 0)
