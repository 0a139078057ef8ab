"""68 landmarks in iBUG order (jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67), refined by cutting again."""

from typing import Final

import numpy as np
import numpy.typing as npt

from services.common.faces.crops import square_crop
from services.common.onnx_model import Float, OnnxModel

INPUT_PX: Final = 112
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)

MIRRORED: Final = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip
"""Which landmark each one becomes when the picture is flipped left to right."""

_BOX_MARGIN: Final = 1.25
_POINTS_MARGIN: Final = 1.3
_REFINEMENTS: Final = 2
_EYE_TOLERANCE: Final = 0.15
"""Largest distance, in box sides, between the eyes of the detector and of the landmarks. On 60 faces of photos and
paintings it is at most 0.08; on things that are no face, on profiles and on faces cut by the edge it is above 0.2."""


class Landmarker:
    """Points from a first box; each refinement cuts anew around the points found, upright by the line of the eyes."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def locate(self, pixels: npt.NDArray[np.uint8], box: Float, eyes: Float) -> Float | None:
        """(68, 2) float32 x, y in pixels of the picture, from a face's ``box`` (4,) and ``eyes`` (2, 2).

        None where the points disagree with the eyes: the box holds no face, or one of which an eye is not seen.
        """
        side = float(np.max(box[2:] - box[:2]))
        centre: Float = ((box[:2] + box[2:]) / 2).astype(np.float32)
        size, angle = side * _BOX_MARGIN, eye_angle_rad(eyes[0], eyes[1])
        for _ in range(1 + _REFINEMENTS):
            points = self.in_square(pixels, centre, size, angle)
            if float(np.abs(eye_centres(points) - eyes).max()) > _EYE_TOLERANCE * side:
                return None
            centre, size, angle = upright_square(points)
            size *= _POINTS_MARGIN
        return points

    def in_square(self, pixels: npt.NDArray[np.uint8], centre: Float, size_px: float, angle_rad: float) -> Float:
        """(68, 2) in pixels of the picture, read from the square around ``centre`` and unquestioned."""
        crop = square_crop(pixels, centre, size_px, INPUT_PX, angle_rad)
        return crop.points_in_picture(self._model(crop.pixels[None].astype(np.float32))["landmarks"][0])


def eye_angle_rad(left: Float, right: Float) -> float:
    """By how much the line from the left eye to the right one falls, in radians (0 for an upright head)."""
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))


def mirrored(landmarks: Float, width: int) -> Float:
    """(68, 2) landmarks of a picture ``width`` wide -> those of its mirror image, left and right exchanged."""
    return np.stack([width - 1 - landmarks[MIRRORED, 0], landmarks[MIRRORED, 1]], 1)


def eye_centres(landmarks: Float) -> Float:
    """(2, 2): x, y of the eye on the picture's left, then right."""
    return np.stack([landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0)]).astype(np.float32)


def upright_square(landmarks: Float) -> tuple[Float, float, float]:
    """(centre (2,), side in pixels, angle in radians) of the square around the points along the line of the eyes."""
    angle = eye_angle_rad(*eye_centres(landmarks))
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    turned = landmarks @ axes.T
    low, high = turned.min(0), turned.max(0)
    return ((low + high) / 2 @ axes).astype(np.float32), float((high - low).max()), angle
