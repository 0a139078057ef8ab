"""The face square: the face brought upright to fixed places by its eyes and the base of its nose."""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SQUARE_PX: Final = 128
CANONICAL: Final = np.array([[46, 46], [82, 46], [64, 74]], np.float32)
"""Where the centres of both eyes and the nose base (landmark 33) come to lie. The mouth takes no part, so that speech
never moves the square."""

_SUPERSAMPLE: Final = 3


@dataclass(frozen=True)
class FaceSquare:
    """A similarity from the portrait's pixels to the 128 px square; pixel centres are the integers in both."""

    matrix: NDArray[np.float64]  # (2, 3)

    @classmethod
    def of(cls, landmarks: Floats) -> Self:
        """Least squares over (68, 2) landmarks in portrait pixels (Umeyama, 1991, without reflection)."""
        points = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[33]]).astype(np.float64)
        a, b = points - points.mean(0), CANONICAL - CANONICAL.mean(0)
        turn = complex((a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / (a**2).sum()
        linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
        return cls(np.column_stack([linear, CANONICAL.mean(0) - linear @ points.mean(0)]))

    @property
    def edge_px(self) -> float:
        """Edge of the square in pixels of the portrait."""
        return float(SQUARE_PX / np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def to_square(self, points: Floats, size: int = SQUARE_PX) -> Floats:
        """(..., 2) portrait pixels -> pixels of the square at ``size``."""
        matrix = self.matrix_at(size)
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def matrix_at(self, size: int) -> NDArray[np.float64]:
        """(2, 3) from portrait pixels to the square cut at ``size`` pixels an edge."""
        k = size / SQUARE_PX
        scaled = self.matrix * k
        scaled[:, 2] += (k - 1) / 2  # centres are integers: x' + 1/2 = k (x + 1/2)
        return scaled

    def cut(self, pixels: Bytes, size: int = SQUARE_PX) -> Bytes:
        """(H, W, 3) portrait -> (size, size, 3) square; beyond the portrait's edge its last pixels are repeated."""
        fine = size * max(1, min(_SUPERSAMPLE, round(self.edge_px / size) + 1))
        flags = cv2.INTER_CUBIC if fine > self.edge_px else cv2.INTER_LINEAR
        cut = cv2.warpAffine(pixels, self.matrix_at(fine), (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return cut if fine == size else np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA))
