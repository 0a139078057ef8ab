"""A mask per person: MediaPipe selfie segmentation on each person's box, shared pixels given to the nearer body."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from services.common.onnx_model import Float, OnnxModel
from services.perception.boxes import cut, grown
from services.perception.detect.detector import Found
from services.perception.segment.bodies import apart
from services.perception.segment.masks import MaskArray, Pixels, Segmented, shrunk
from services.perception.segment.outline import thing_masks

INPUT_PX: Final = 256
_MARGIN: Final = 0.08
_THRESHOLD: Final = 0.5


class SelfieSegmenter:
    """The net tells people from background; which person a pixel belongs to is decided by the bodies' axes."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def __call__(self, pixels: Pixels, found: Found, check: Callable[[], None]) -> Segmented:
        """A mask per person; no pixel is in two."""
        check()
        small, zoom = shrunk(pixels)
        masks = [self._in_box(small, person.box * zoom) for person in found.people]
        return Segmented(found, apart(masks, found.people, zoom))

    def things(self, pixels: Pixels, segmented: Segmented) -> list[MaskArray]:
        """By their colours, since the net knows people alone."""
        return thing_masks(pixels, segmented.found.things, segmented.people)

    def _in_box(self, pixels: Pixels, box: Float) -> MaskArray:
        part, cut_box = cut(pixels, grown(box, _MARGIN))
        square = cv2.resize(part, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        matte = cv2.resize(self._model(square[None])["mask"][0, :, :, 0], (part.shape[1], part.shape[0]))
        x0, y0, x1, y1 = cut_box.astype(int)
        mask = np.zeros(pixels.shape[:2], bool)
        mask[y0:y1, x0:x1] = matte > _THRESHOLD
        inside = np.zeros_like(mask)
        a0, b0, a1, b1 = np.round(box).astype(int).clip(0)
        inside[b0:b1, a0:a1] = True
        return mask & inside
