"""The same moments as another camera and another voice would have them: rendered people have few, real ones many.

Rooms and microphones are in a rendered set already, and all the more in a real one.
"""

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from services.talkinghead.sync.expert import FRAMES, MOUTH
from services.talkinghead.training.clips import Bytes

_ANGLE_DEG: Final = 4.0
_ZOOM: Final = 0.06
_SHIFT: Final = 0.025
"""Spreads of a face's place in its square; the shift is of the edge. Detected landmarks leave it about so uncertain."""
_LEAST_BLUR_PX: Final = 0.3
_MOST_BLUR_PX: Final = 1.3
"""At 128 px."""
_GREY_SHARE: Final = 0.25
_MOST_BANDS: Final = 5
"""By which a voice is moved along the mel bands, as a shorter or longer throat would."""
_TILT: Final = 0.2  # of the log-mel values, 8 dB
_TILT_POINTS: Final = 6


def another_camera(squares: Bytes, rng: np.random.Generator) -> Bytes:
    """Squares (5 n, S, S, 3) -> their mouths (5 n, 48 S / 128, 64 S / 128, 3).

    Each five lie elsewhere in their square by one small turn, zoom and shift; all are blurred alike, or grey.
    """
    edge = squares.shape[1]
    scale = edge // 128
    left_top, size = np.array([MOUTH.left, MOUTH.top]) * scale, (MOUTH.width * scale, MOUTH.height * scale)
    blur_px, grey = rng.uniform(0, _MOST_BLUR_PX), rng.random() < _GREY_SHARE
    varied: list[Bytes] = []
    for five in squares.reshape(-1, FRAMES, *squares.shape[1:]):
        turn = cv2.getRotationMatrix2D(
            (edge / 2, edge / 2), _ANGLE_DEG * rng.standard_normal(), 1 + _ZOOM * rng.standard_normal()
        )
        turn[:, 2] += _SHIFT * edge * rng.standard_normal(2) - left_top
        for square in five:
            mouth = cv2.warpAffine(square, turn, size, borderMode=cv2.BORDER_REPLICATE)
            if blur_px > _LEAST_BLUR_PX:
                mouth = cv2.GaussianBlur(mouth, (0, 0), blur_px * scale)
            varied.append(cv2.cvtColor(mouth, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, -1) if grey else mouth)
    return np.stack(varied)


def another_voice(sound: Tensor, rng: np.random.Generator) -> Tensor:
    """Log-mel (n, 80, 20), moved along the bands and its spectrum tilted, all alike."""
    bands = sound.shape[1]
    moved = np.clip(np.arange(bands) + rng.uniform(-_MOST_BANDS, _MOST_BANDS), 0, bands - 1)
    points = np.linspace(0, bands - 1, _TILT_POINTS)
    tilt = np.interp(np.arange(bands), points, _TILT * rng.standard_normal(_TILT_POINTS)).astype(np.float32)
    return sound[:, moved.round().astype(np.int64)] + torch.from_numpy(tilt)[:, None]
