"""A clip: one person who talks for a while, as face squares with landmarks, sound and what is heard in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
"""Colour at full resolution: lips are told from skin by little else."""

Phone = tuple[float, str]
"""(start in s from the clip's first sample, IPA); the last one of a clip marks the end."""


@dataclass(frozen=True)
class KnownFace:
    """What only a rendered face tells."""

    actions: Floats
    """(T, 11), the facial actions that the face was given."""
    inner_mouth: list[bytes]
    """N pictures (size, size) as PNG: 255 where the mouth's inside, teeth or tongue show."""
    phones: list[Phone]
    text: str
    voice: str
    seed: tuple[int, int]
    """Of the set and of the person in it."""
    still: bool
    """Does the head keep its place? Then all pictures share one face square."""
    open_rest: bool
    """Do the lips stand apart at rest?"""


@dataclass(frozen=True)
class Clip:
    """N pictures within T frames of sound at 25 fps."""

    name: str
    identity: str
    """Who is seen: all clips of one person are in the same part of the set."""
    source: str
    """The video's file name, or how the face was made."""
    start_s: float
    """Where in the source the clip begins."""
    square_px: int
    pictures: list[bytes]
    """N face squares as JPEG."""
    landmarks: Floats
    """(N, 68, 2) in pixels of the square."""
    places: NDArray[np.int64]
    """(N,) which of the T frames each picture shows, rising."""
    wave: NDArray[np.int16]
    """(640 T,) at 16 kHz."""
    actions: Floats
    """(T, 11), the facial actions that the speech network hears."""
    loudness: Floats
    """(T,) root mean square."""
    sound_lag_s: float = 0.0
    """By how much the sound came late in the source (early: negative); in the clip this is mended."""
    features: Floats | None = None
    """(2 T, C) at 50 Hz: another kind of speech features than the actions, where one was asked for."""
    known: KnownFace | None = field(default=None, repr=False)


def to_jpeg(square: Bytes) -> bytes:
    """(size, size, 3) RGB."""
    return _encoded(".jpg", cv2.cvtColor(square, cv2.COLOR_RGB2BGR), _JPEG)


def to_png(mask: Bytes) -> bytes:
    """(size, size)."""
    return _encoded(".png", mask, ())


def from_jpeg(data: Bytes) -> Bytes:
    """Coded bytes (n,) -> (size, size, 3) RGB."""
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def from_png(data: Bytes) -> Bytes:
    """Coded bytes (n,) -> (size, size)."""
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _encoded(kind: str, pixels: Bytes, options: Sequence[int]) -> bytes:
    done, data = cv2.imencode(kind, pixels, options)
    if not done:
        raise RuntimeError(f"a picture of shape {pixels.shape} cannot be coded as {kind}")
    return bytes(data)
