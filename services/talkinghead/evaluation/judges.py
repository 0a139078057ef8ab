"""The models that measure: none of them took part in making what they judge."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from services.common.faces.finder import SERVICE as FACES
from services.common.faces.landmarks import Landmarker
from services.common.onnx_model import OnnxModel
from services.common.registry import load_registry
from services.talkinghead.evaluation.phones import PhoneRecogniser

SERVICE: Final = "evaluation"


@dataclass(frozen=True)
class Judges:
    """``features`` and ``identity`` are described in ``weights/evaluation/README.md``."""

    landmarks: Landmarker
    features: OnnxModel
    identity: OnnxModel
    phones: PhoneRecogniser = field(default_factory=PhoneRecogniser)

    @classmethod
    def load(cls, weights_dir: Path, threads: int, profile: str) -> Self:
        """Raises model_unavailable."""
        measuring = load_registry(weights_dir, SERVICE, profile)
        finding = load_registry(weights_dir, FACES, profile)
        return cls(
            landmarks=Landmarker(OnnxModel.load(finding["landmarks"], weights_dir, FACES, threads)),
            features=OnnxModel.load(measuring["features"], weights_dir, SERVICE, threads),
            identity=OnnxModel.load(measuring["identity"], weights_dir, SERVICE, threads),
        )
