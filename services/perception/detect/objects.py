"""CenterNet on MobileNetV3: boxes of the 80 COCO classes (Zhou et al. 2019, arXiv 1904.07850)."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float, OnnxModel

INPUT_PX: Final = 512
MIN_SCORE: Final = 0.3

COCO: Final = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "table", "toilet",
    "television", "laptop", "computer mouse", "remote control", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "book", "clock", "vase", "pair of scissors", "teddy bear", "hair drier",
    "toothbrush",
)  # fmt: skip
"""Names in the order of the class ids 0..79, worded for a story."""

ANIMALS: Final = frozenset(COCO[14:24])


@dataclass(frozen=True)
class Detection:
    """``box``: (4,) float32 x0, y0, x1, y1 in pixels; ``name``: one of ``COCO``."""

    name: str
    box: Float
    score: float


class ObjectDetector:
    """Finds people and things; the picture is squeezed to a square, as the net was trained."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def detect(self, pixels: npt.NDArray[np.uint8]) -> list[Detection]:
        """(H, W, 3) uint8 -> detections of at least ``MIN_SCORE``, surest first."""
        height, width = pixels.shape[:2]
        square = cv2.resize(pixels, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
        rows = self._model(square[None].astype(np.float32))["detections"][0]  # (100, 6): box, score, class
        to_picture = np.array([width, height, width, height], np.float32) / INPUT_PX
        limits = np.array([width, height, width, height], np.float32)
        return [
            Detection(COCO[int(row[5])], np.clip(row[:4] * to_picture, 0, limits), float(row[4]))
            for row in rows[np.argsort(-rows[:, 4])]
            if row[4] >= MIN_SCORE
        ]
