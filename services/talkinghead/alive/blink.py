"""Blinks: the upper lids come down over eyes that stay where they are."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.warp import Bytes
from services.talkinghead.speech.actions import FPS

CLOSING: Final = (0.35, 0.85, 1.0, 0.8, 0.5, 0.22)
"""How far the lids are closed, frame by frame at 25 fps: down in 120 ms, up again a little slower."""

_PAUSE_S: Final = (2.0, 6.5)
"""Between two blinks: about thirteen a minute."""
_BLOCK: Final = 1024
"""Blinks drawn at a time."""

_EYES: Final = (((36, 37, 38, 39), (36, 41, 40, 39)), ((42, 43, 44, 45), (42, 47, 46, 45)))
"""Upper and lower lid of each eye, corner to corner."""
_LID_OVER_OPENING: Final = 0.55
"""How far above the eye the skin is that follows, in eye openings: the lid's fold, not the brow."""
_LASH_OVER_OPENING: Final = 0.16
"""What moves as a whole at the lid's edge."""
_LID_ABOVE: Final = 0.15
"""Landmarks lie on the lower edge of the lashes, or in the iris: the lid begins this far above, in eye openings."""
_LID_BELOW: Final = 0.3
"""And the lower lid's rim lies this far below its landmarks."""
_BEYOND_CORNERS: Final = 1.16
"""The lid's arch over the distance of the corners."""
_SKIN_AT: Final = (0.75, 0.35)
"""Where the colours of a closed lid come from, in eye openings: above the open eye, over its fold, and below it. What
lies between, stretched, would be shadow, lashes and iris."""
_SOFTENED: Final = 0.2
"""Blur of these colours, in eye openings."""
_SHUT_BELOW: Final = 0.14
"""Opening over width of an eye that is closed already, or that squints: nothing is left to close."""


def closing(first: int, last: int, seed: int) -> Floats:
    """How far the lids are closed (0 to 1) in frames ``[first, last)`` of a video made with ``seed``."""
    starts = _starts(seed, last)
    closed = np.zeros(last - first, np.float32)
    for number, value in enumerate(CLOSING):
        frames = starts + number - first
        closed[frames[(frames >= 0) & (frames < last - first)]] = value
    return closed


@lru_cache(maxsize=64)
def _starts(seed: int, last: int) -> NDArray[np.int64]:
    """First frame of each blink before ``last``: the same however far one looks."""
    rng = np.random.default_rng([seed, 0xB11])
    starts: NDArray[np.int64] = np.zeros(0, np.int64)
    end = 0
    while end < last:
        pauses = np.rint(rng.uniform(*_PAUSE_S, _BLOCK) * FPS).astype(np.int64)
        block = end + np.cumsum(pauses + len(CLOSING)) - len(CLOSING)
        starts, end = np.concatenate([starts, block]), int(block[-1]) + len(CLOSING)
    return starts[starts < last]


@dataclass(frozen=True)
class Eyelid:
    """One eye of a portrait, in the portrait's own pixels along axes that lie along the eye."""

    rows: slice
    columns: slice
    below: Floats  # (h, w) how far each pixel lies below the line through the corners
    down: Floats  # (2,) unit vector in the picture that points from brow to cheek
    upper: Floats  # (h, w) height of the upper lid at each pixel's abscissa
    opening: Floats  # (h, w) from upper to lower lid, 0 beyond the corners

    @classmethod
    def of(
        cls, landmarks: Floats, upper: tuple[int, ...], lower: tuple[int, ...], shape: tuple[int, ...]
    ) -> Self | None:
        """None for an eye that is closed. ``landmarks`` (68, 2) in pixels of a picture (height, width, ...)."""
        corner, other = landmarks[upper[0]], landmarks[upper[-1]]
        centre, half = (corner + other) / 2, float(np.linalg.norm(other - corner)) / 2
        axis = (other - corner) / (2 * half)
        down = np.array([-axis[1], axis[0]], np.float32)

        def height(points: tuple[int, ...]) -> float:
            """Of the parabola over the corners whose thirds lie at the two points between them."""
            return float(np.mean((landmarks[list(points[1:-1])] - centre) @ down) / (1 - 1 / 9))

        over, under = height(upper), height(lower)
        gap = under - over
        if gap < _SHUT_BELOW * 2 * half:
            return None
        half *= _BEYOND_CORNERS
        reach = half + (1 + _LID_OVER_OPENING) * gap
        low = np.floor(centre - reach).astype(int).clip(0)
        high = np.minimum(np.ceil(centre + reach).astype(int), [shape[1], shape[0]])
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        places = np.stack([x, y], -1) - centre
        arch = np.clip(1 - (places @ axis / half) ** 2, 0, None).astype(np.float32)
        return cls(
            slice(low[1], high[1]),
            slice(low[0], high[0]),
            (places @ down).astype(np.float32),
            down,
            (over - _LID_ABOVE * gap) * arch,
            (1 + _LID_ABOVE + _LID_BELOW) * gap * arch,
        )

    def close(self, frame: Bytes, closed: float) -> None:
        """Draw the lid ``closed`` (0 to 1) of the way down, in place: its skin is stretched over the eye."""
        if closed == 0:
            return
        drop = closed * self.opening
        fold, lash = _LID_OVER_OPENING * self.opening, _LASH_OVER_OPENING * self.opening
        above = self.below - (self.upper - fold)  # height over the fold, where nothing moves
        skin = above * drop / np.maximum(fold + drop - lash, 1e-6)  # from the fold to the lashes: stretched
        drawn_here = (above > 0) & (above < fold + drop) & (self.opening > 0)
        back = np.where(drawn_here, np.minimum(skin, drop), 0).astype(np.float32)  # the lashes go down as they are
        region = frame[self.rows, self.columns]
        soft = cv2.GaussianBlur(region, (0, 0), _SOFTENED * float(self.opening.max()))
        sharp = self._moved(region, back)
        over, under = (
            self._moved(soft, self.below - height)
            for height in (
                self.upper - _SKIN_AT[0] * self.opening,
                self.upper + (1 + _SKIN_AT[1]) * self.opening,
            )
        )
        way = np.clip(above / np.maximum(fold + drop, 1e-6), 0, 1)[..., None]
        skin_colour = over + way * way * (3 - 2 * way) * (under - over)
        # plain skin between the fold and the lashes, which both stay as they are
        to_edge = fold + drop - above
        softness = np.clip(np.minimum(above / np.maximum(fold, 1e-6), to_edge / np.maximum(lash, 1e-6) - 1), 0, 1)
        drawn = sharp + softness[..., None] * (skin_colour - sharp)
        edge = np.clip(to_edge / 1.5, 0, 1)[..., None] * drawn_here[..., None]  # soft over 1.5 pixels
        region[:] = np.rint(region + edge * (drawn - region)).astype(np.uint8)

    def _moved(self, picture: Bytes, by: Floats) -> Floats:
        """Each pixel of (h, w, 3) as the one that lies ``by`` (h, w) above it."""
        y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
        across, along = x - by * self.down[0], y - by * self.down[1]
        moved = cv2.remap(picture, across, along, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)


def eyelids(landmarks: Floats, shape: tuple[int, ...]) -> list[Eyelid]:
    """The lids of the open eyes of a face, ``landmarks`` (68, 2) in pixels of a picture (height, width, ...)."""
    found = (Eyelid.of(landmarks, upper, lower, shape) for upper, lower in _EYES)
    return [lid for lid in found if lid is not None]
