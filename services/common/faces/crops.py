"""Square, upright crops: cut around a point, turned so that a tilted head stands straight."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class SquareCrop:
    """``pixels``: (side, side, 3) uint8; ``to_picture``: (2, 3) affine from crop pixels to picture pixels."""

    pixels: npt.NDArray[np.uint8]
    to_picture: npt.NDArray[np.float32]

    def points_in_picture(self, fractions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, 2) x, y as fractions of the crop -> pixels of the picture."""
        points = fractions * np.float32(len(self.pixels))
        return (points @ self.to_picture[:, :2].T + self.to_picture[:, 2]).astype(np.float32)


def square_crop(
    pixels: npt.NDArray[np.uint8], centre: npt.NDArray[np.float32], size_px: float, side_px: int, angle_rad: float = 0.0
) -> SquareCrop:
    """A square of ``size_px`` around ``centre`` (x, y), turned by ``angle_rad`` (clockwise on screen), as ``side_px``.

    Outside the picture it is black. When it shrinks much it is read from a picture halved as often as needed, so that
    it does not alias.
    """
    scale = size_px / side_px
    right = np.array([np.cos(angle_rad), np.sin(angle_rad)]) * scale
    down = np.array([-right[1], right[0]])
    corner = centre - (right + down) * side_px / 2
    to_picture = np.stack([right, down, corner], axis=1).astype(np.float32)
    source, offset, zoom = _shrunk(pixels, centre, size_px, scale)
    to_source = to_picture.astype(np.float64)
    to_source[:, 2] -= offset
    to_source *= zoom
    crop = cv2.warpAffine(source, to_source, (side_px, side_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return SquareCrop(np.asarray(crop, np.uint8), to_picture)


def _shrunk(
    pixels: npt.NDArray[np.uint8], centre: npt.NDArray[np.float32], size_px: float, scale: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], float]:
    """(part of the picture around the crop, its upper left corner, by how much it was shrunk)."""
    height, width = pixels.shape[:2]
    reach = size_px * 0.75  # the half diagonal of the square, and a little
    x0, y0 = (int(np.clip(value - reach, 0, limit - 1)) for value, limit in zip(centre, (width, height), strict=True))
    x1, y1 = (int(np.clip(value + reach, 1, limit)) for value, limit in zip(centre, (width, height), strict=True))
    part = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    zoom = min(1.0, 1.5 / scale)
    if zoom < 1:
        shape = max(1, round(part.shape[1] * zoom)), max(1, round(part.shape[0] * zoom))
        part = np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_AREA), np.uint8)
    return part, np.array([x0, y0], np.float64), zoom
