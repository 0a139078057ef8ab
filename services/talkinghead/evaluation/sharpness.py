"""Cumulative probability of blur detection, CPBD (N. Narvekar and L. Karam, 2011): sharpness without a reference."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import sobel_v

Floats = NDArray[np.float64]

_BLOCK_PX: Final = 64
_EDGE_SHARE: Final = 0.002
"""Of a block's pixels, from which on it counts as one with edges."""
_LOW_CONTRAST: Final = 50
_JUST_NOTICEABLE_PX: Final = (5, 3)
"""Width at which an edge's blur is just noticed, in blocks of low and of higher contrast (section III)."""


def cpbd(picture: NDArray[np.uint8]) -> float | None:
    """Share of a (h, w, 3) picture's edges whose blur is not noticed, in [0, 1]; None where it has no edge.

    Only whole blocks of 64 x 64 px are looked at.
    """
    grey = np.rint(rgb2gray(picture) * 255)
    edges, widths = canny(grey), _edge_widths(grey)
    unnoticed, found = 0, 0
    for top in range(0, grey.shape[0] - _BLOCK_PX + 1, _BLOCK_PX):
        for left in range(0, grey.shape[1] - _BLOCK_PX + 1, _BLOCK_PX):
            block = slice(top, top + _BLOCK_PX), slice(left, left + _BLOCK_PX)
            if edges[block].mean() > _EDGE_SHARE:
                noticeable_px = _JUST_NOTICEABLE_PX[int(np.ptp(grey[block]) > _LOW_CONTRAST)]
                of_block = widths[block][widths[block] > 0]
                # the probability of noticing, 1 - exp(-(w / w_jnb)^3.6), is at most that at w_jnb, 63 %
                unnoticed += int((of_block <= noticeable_px).sum())
                found += len(of_block)
    return unnoticed / found if found else None


def _edge_widths(grey: Floats) -> Floats:
    """Width of the vertical edges at their pixels, 0 elsewhere: from the local minimum to the local maximum of the row
    (P. Marziliano et al., 2002)."""
    strength = np.square(sobel_v(grey))
    strength[strength <= 4 * strength.mean()] = 0
    padded = np.pad(strength, ((0, 0), (1, 1)))
    thin = (strength > 0) & (strength >= padded[:, :-2]) & (strength > padded[:, 2:])
    down, across = np.gradient(grey)
    upright = np.abs(down) < np.tan(np.pi / 8) * np.abs(across)
    step = np.diff(grey, axis=1)
    rising, falling = (_run_lengths(step > 0), _run_lengths(step < 0))
    return np.where(thin & upright, np.where(across > 0, rising, falling), 0).astype(float)


def _run_lengths(goes_on: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(h, w - 1) whether the row goes on from a pixel to the next -> (h, w) pixels of the unbroken run around each."""
    before = np.zeros((goes_on.shape[0], goes_on.shape[1] + 1), np.int64)
    behind = before.copy()
    for column in range(goes_on.shape[1]):
        before[:, column + 1] = (before[:, column] + 1) * goes_on[:, column]
    for column in range(goes_on.shape[1] - 1, -1, -1):
        behind[:, column] = (behind[:, column + 1] + 1) * goes_on[:, column]
    return before + behind
