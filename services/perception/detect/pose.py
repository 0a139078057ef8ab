"""MoveNet MultiPose Lightning: 17 points of up to six people at once (Google 2021, model card of MoveNet)."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from services.common.onnx_model import Float, OnnxModel
from services.perception.boxes import cut, grown

KEYPOINTS: Final = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""COCO order; left and right are the person's own."""

VISIBLE: Final = 0.3
"""A point of a lower score is a guess."""

MIN_SCORE: Final = 0.25
_LONG_SIDE_PX: Final = 256
_CROP_MARGIN: Final = 0.15


@dataclass(frozen=True)
class Pose:
    """``points``: (17, 3) float32 x, y in pixels and score, COCO order; ``box``: (4,) around the body."""

    points: Float
    box: Float
    score: float

    def point(self, name: str) -> Float | None:
        """(2,) x, y, or None where it is not seen."""
        x, y, score = self.points[KEYPOINTS.index(name)]
        return np.array([x, y], np.float32) if score >= VISIBLE else None

    def moved(self, shift: Float) -> "Pose":
        """By (2,) x, y."""
        return Pose(self.points + np.append(shift, np.float32(0)), self.box + np.tile(shift, 2), self.score)

    def head_box(self) -> Float | None:
        """(4,) around the whole head, from the points of the face that are seen; None where they are fewer than two."""
        seen = self.points[:5][self.points[:5, 2] >= VISIBLE, :2]
        if len(seen) < 2:
            return None
        half = float(np.ptp(seen, axis=0).max())
        middle = seen.mean(0)
        return np.concatenate([middle - half, middle + half]).astype(np.float32)


class PoseFinder:
    """Poses of a whole picture, or of the one person in a box."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    def find(self, pixels: npt.NDArray[np.uint8]) -> list[Pose]:
        """(H, W, 3) uint8 -> poses of at least ``MIN_SCORE``, surest first; at most six."""
        return self._run(pixels, _LONG_SIDE_PX)

    def find_in_box(self, pixels: npt.NDArray[np.uint8], box: Float) -> list[Pose]:
        """The same in a person's box and a little around it; points in pixels of the whole picture."""
        part, cut_box = cut(pixels, grown(box, _CROP_MARGIN))
        return [pose.moved(cut_box[:2]) for pose in self._run(part, _LONG_SIDE_PX)]

    def _run(self, pixels: npt.NDArray[np.uint8], long_side_px: int) -> list[Pose]:
        height, width = pixels.shape[:2]
        zoom = long_side_px / max(height, width)
        shape = [max(1, round(side * zoom / 32)) * 32 for side in (width, height)]
        image = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        rows = self._model(image[None].astype(np.int32))["poses"][0]  # (6, 56): 17 x (y, x, score), y0 x0 y1 x1, score
        poses = []
        for row in rows[np.argsort(-rows[:, 55])]:
            if row[55] < MIN_SCORE:
                break
            points = row[:51].reshape(17, 3)[:, [1, 0, 2]] * np.array([width, height, 1], np.float32)
            box = row[[52, 51, 54, 53]] * np.array([width, height, width, height], np.float32)
            poses.append(Pose(points.astype(np.float32), box.astype(np.float32), float(row[55])))
        return poses
