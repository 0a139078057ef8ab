"""One frame at the portrait's own resolution: the bent lower face and the refined mouth in the untouched portrait."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import SQUARE, Bytes, Canvas

_WHOLE_MOTION_UNITS = 0.75

_SKIN: Final = (slice(50, 71), slice(42, 87))
"""Nose and the inner cheeks in the face square: rows, columns."""
_COLDNESS_TAUGHT: Final = 0.72
"""Blue over the geometric mean of red and green, of that skin on 80 of the rendered heads that taught the model teeth.
It varies with the light far more than with the person, while red over green tells blood and make-up."""
_COLDNESS: Final = (0.6, 1.1)
_COLDER: Final = np.array([-0.35, 0.0, 0.65], np.float32)
"""Exponents of coldness in red, green and blue: along daylight red falls while blue rises."""
_IVORY: Final = np.array([1.04, 1.0, 0.93], np.float32)
"""What the rendered heads' teeth lack to look like teeth beside real skin; by eye, on seven portraits."""
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


def light_of(square: Bytes) -> Floats:
    """(3,) gains that bring what the model paints into the light of a face square (128, 128, 3).

    Skin is the grey card. Brightness is left to the model: the gains keep the luma (BT.601) of grey.
    """
    red, green, blue = square[_SKIN].reshape(-1, 3).mean(0) + 1
    coldness = np.clip(blue / np.sqrt(red * green) / _COLDNESS_TAUGHT, *_COLDNESS)
    gains = _IVORY * coldness**_COLDER
    return np.asarray(gains / (gains @ _LUMA), np.float32)


def match_light(change: Floats, draft: Bytes, unseen: Floats, light: Floats) -> Floats:
    """``change`` to a ``draft`` (128, 128, 3), so that what is painted where the mouth is ``unseen`` (128, 128) has
    the gains ``light`` (3,). Lips, skin and teeth that the portrait shows have their own colours."""
    return np.asarray(change + unseen[..., None] * (light - 1) * (draft + change), np.float32)


def paste_change(frame: Bytes, change: Floats, canvas: Canvas, gain: float) -> None:
    """Add ``change`` (128, 128, 3) in grey levels, 0 outside the model's soft mask, to (H, W, 3) ``frame`` in place.

    ``canvas`` lies over the lower half of the face square, which holds the mask. Pixels that change by less than half a
    grey level keep their value.
    """
    x, y = np.moveaxis(canvas.places - np.float32(0.5), -1, 0)  # pixel centres of the square are integers
    grown = cv2.remap(change, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    region = frame[canvas.rows, canvas.columns]
    np.clip(np.rint(region + gain * grown), 0, 255, out=grown)
    region[:] = grown.astype(np.uint8)


def paste_square(frame: Bytes, square: Floats, mask: Floats, canvas: Canvas, gain: float) -> None:
    """Lay the made face ``square`` (S, S, 3) in grey levels over (H, W, 3) ``frame`` in place.

    ``mask`` (S, S) says how far; it falls softly from 1 to 0 inside ``canvas``, outside which pixels keep their value.
    """
    size = len(square)
    shown = round(SQUARE * float(np.hypot(*canvas.from_units[:, 0])))  # its edge in the frame
    layers = np.dstack([square, mask]).astype(np.float32)
    if shown < size:
        size = max(shown, 1)
        layers = cv2.resize(layers, (size, size), interpolation=cv2.INTER_AREA)
    x, y = np.moveaxis(canvas.places * np.float32(size / SQUARE) - np.float32(0.5), -1, 0)
    grown = cv2.remap(layers, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    region = frame[canvas.rows, canvas.columns]
    laid = region + gain * grown[..., 3:] * (grown[..., :3] - region)
    region[:] = np.clip(np.rint(laid), 0, 255).astype(np.uint8)


def refinement_gain(landmarks: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """0 where the face rests, so that a silent frame is the portrait itself; 1 once a landmark moves 0.75 units."""
    return float(np.clip(np.abs(target - landmarks).max() / _WHOLE_MOTION_UNITS, 0, 1))
