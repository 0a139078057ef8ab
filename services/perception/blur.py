"""Faces made unrecognisable: once people are found, nothing that describes or remembers sees the photo otherwise."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float
from services.perception.boxes import clipped, grown

_MARGIN: Final = 0.35
"""From brows and chin to the whole head: hair and ears tell people apart, too."""

_CELLS: Final = 4
"""A head is left as this many patches of colour across. Networks trained on mosaics can tell people in finer ones
apart (McPherson et al. 2016, arXiv 1609.00408)."""


def with_faces_hidden(pixels: npt.NDArray[np.uint8], heads: Sequence[Float]) -> npt.NDArray[np.uint8]:
    """A copy of the photo (H, W, 3) in which every box of ``heads`` (4,), grown to the head, is a few soft patches."""
    height, width = pixels.shape[:2]
    hidden = pixels.copy()
    for head in heads:
        x0, y0, x1, y1 = np.round(clipped(grown(head, _MARGIN), width, height)).astype(int)
        if x1 <= x0 or y1 <= y0:
            continue
        patches = cv2.resize(hidden[y0:y1, x0:x1], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        hidden[y0:y1, x0:x1] = cv2.resize(patches, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return hidden
