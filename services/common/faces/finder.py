"""Picture -> faces with boxes and landmarks: detector and landmarker in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from services.common.faces.detector import FaceDetector, Window
from services.common.faces.landmarks import Landmarker
from services.common.onnx_model import Float, OnnxModel
from services.common.registry import load_registry

SERVICE = "faces"


@dataclass(frozen=True)
class Face:
    """``box``: (4,) float32 x0, y0, x1, y1, brows to chin; ``landmarks``: (68, 2) float32, iBUG order; in pixels."""

    box: Float
    score: float
    landmarks: Float


class FaceFinder:
    """Finds faces that show both eyes and are at least about 1/25 of the picture's shorter side high."""

    def __init__(self, detector: FaceDetector, landmarker: Landmarker) -> None:
        self._detector, self.landmarker = detector, landmarker

    @classmethod
    def load(cls, weights_dir: Path, threads: int, profile: str = "tiny") -> Self:
        """Load the models of ``weights_dir/faces``; raises ``model_unavailable`` for a missing or altered file."""
        registry = load_registry(weights_dir, SERVICE, profile)
        models = {role: OnnxModel.load(entry, weights_dir, SERVICE, threads) for role, entry in registry.items()}
        return cls(FaceDetector(models["face_detector"]), Landmarker(models["landmarks"]))

    def find(self, pixels: npt.NDArray[np.uint8], regions: Sequence[Window] | None = None) -> list[Face]:
        """(H, W, 3) uint8 RGB -> faces from left to right.

        ``regions``: squares (left, top, side) to look at closely, instead of everywhere, beside the whole picture.
        """
        faces = []
        for found in self._detector.detect(pixels, regions):
            landmarks = self.landmarker.locate(pixels, found.box, found.eyes)
            if landmarks is not None:
                faces.append(Face(found.box, found.score, landmarks))
        return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))
