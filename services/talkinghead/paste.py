"""One frame at the portrait's own resolution: the bent lower face and the refined mouth in the untouched portrait."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import SQUARE, Bytes, Canvas

_WHOLE_MOTION_UNITS = 0.75


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
