"""Beards and stubble, painted into the skin's texture where the landmarks say that they grow."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.talkinghead.synthetic.assets import Points

Pixels = NDArray[np.floating]

GAMMA: Final = 1 / 2.2
_CHEEK: Final = 0.45
"""How high a beard climbs the jaw, as a share of the way from the jaw's corner to the ear."""


def draw_beard(
    rng: np.random.Generator, skin: Image.Image, landmark_uv: Points, colour: NDArray[np.floating]
) -> Image.Image:
    """A full beard, a moustache, a chin beard or stubble; ``landmark_uv`` (68, 2), ``colour`` linear RGB."""
    size = skin.width
    points = landmark_uv * [size, -size] + [0, size]  # texture rows run down, v runs up
    grown = np.zeros((size, size), np.float32)
    kind = rng.choice(["full", "stubble", "moustache", "goatee"], p=[0.35, 0.35, 0.1, 0.2])
    lower = _chin(points) if kind == "goatee" else _jaw(points)
    if kind != "moustache":
        cv2.fillPoly(grown, [lower.astype(np.int32)], 1.0)
    if kind != "goatee" or rng.random() < 0.6:
        cv2.fillPoly(grown, [_lip(points).astype(np.int32)], 1.0)
    cv2.fillPoly(grown, [_swollen(points[48:60], 1.12).astype(np.int32)], 0.0)
    width_px = float(np.linalg.norm(points[54] - points[48]))
    grown = cv2.GaussianBlur(grown, (0, 0), 0.1 * width_px)
    cv2.fillPoly(grown, [points[48:60].astype(np.int32)], 0.0)

    fine = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 0.6)
    strands = np.clip(1.0 + 0.15 * fine / fine.std(), 0.5, 1.5)
    thickness = rng.uniform(0.15, 0.4) if kind == "stubble" else rng.uniform(0.6, 0.95)
    cover = np.clip(grown * thickness * strands, 0, 1)[..., None]
    seen = 255 * np.clip(colour * rng.uniform(0.5, 0.9), 0.01, 1) ** GAMMA
    mixed = np.asarray(skin, np.float32) * (1 - cover) + seen * strands[..., None] * cover
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _jaw(points: Pixels) -> Pixels:
    """Along the jaw from ear to ear, back above the chin to the corners of the mouth."""
    left = points[3] + _CHEEK * (points[2] - points[3])
    right = points[13] + _CHEEK * (points[14] - points[13])
    below = points[3:14] + 0.35 * (points[3:14] - points[3:14].mean(0))  # down onto the throat
    return np.vstack([left, below, right, points[54], points[33], points[48]])


def _chin(points: Pixels) -> Pixels:
    corner = 0.25
    return np.vstack(
        [
            points[48] + corner * (points[57] - points[48]),
            points[7] + 0.2 * (points[7] - points[57]),
            points[8] + 0.2 * (points[8] - points[57]),
            points[9] + 0.2 * (points[9] - points[57]),
            points[54] + corner * (points[57] - points[54]),
        ]
    )


def _lip(points: Pixels) -> Pixels:
    nose = points[31:36] + 0.25 * (points[51] - points[33])
    return np.vstack([nose, _swollen(points[48:55], 1.1)[::-1]])


def _swollen(points: Pixels, factor: float) -> Pixels:
    middle: Pixels = points.mean(0)
    return middle + factor * (points - middle)
