"""The models that measure: none of them took part in making what they judge, unless the user names such an expert."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from services.common.faces.finder import SERVICE as FACES
from services.common.faces.landmarks import Landmarker
from services.common.onnx_model import OnnxModel
from services.common.registry import load_registry, verified_folder
from services.talkinghead.evaluation.phones import PhoneRecogniser
from services.talkinghead.sync.expert import SyncExpert
from services.talkinghead.sync.syncnet import SyncNet

SERVICE: Final = "evaluation"
SYNC: Final = "sync"
EXPERT: Final = "expert.safetensors"


@dataclass(frozen=True)
class Judges:
    """``features`` and ``identity`` are described in ``weights/evaluation/README.md``, ``expert`` in
    ``weights/sync/README.md``."""

    landmarks: Landmarker
    features: OnnxModel
    identity: OnnxModel
    expert: SyncExpert
    phones: PhoneRecogniser = field(default_factory=PhoneRecogniser)
    syncnet: SyncNet | None = None
    """The field's, where the user has its weights."""

    @classmethod
    def load(
        cls,
        weights_dir: Path,
        threads: int,
        profile: str,
        *,
        sync_expert: Path | None = None,
        syncnet: Path | None = None,
    ) -> Self:
        """With the sync expert that ships, if none is named.

        Raises model_unavailable; ValueError: a file that the user named does not hold such weights.
        """
        measuring = load_registry(weights_dir, SERVICE, profile)
        finding = load_registry(weights_dir, FACES, profile)
        return cls(
            landmarks=Landmarker(OnnxModel.load(finding["landmarks"], weights_dir, FACES, threads)),
            features=OnnxModel.load(measuring["features"], weights_dir, SERVICE, threads),
            identity=OnnxModel.load(measuring["identity"], weights_dir, SERVICE, threads),
            expert=SyncExpert.load(sync_expert or verified_folder(weights_dir, SYNC, profile) / EXPERT),
            syncnet=None if syncnet is None else SyncNet.load(syncnet),
        )
