"""From settings to stages with their models."""

from services.common.faces import FaceFinder
from services.common.onnx_model import OnnxModel
from services.common.registry import load_registry
from services.perception.ask.asker import Asker, SmallAsker
from services.perception.ask.attributes import FaceModels
from services.perception.ask.described import DescribingAsker
from services.perception.ask.scene import SceneReader
from services.perception.detect.detector import Detector
from services.perception.detect.objects import ObjectDetector
from services.perception.detect.pose import PoseFinder
from services.perception.hub.loading import load_segmenter, load_vision_language
from services.perception.memory import Memory
from services.perception.pipeline import Perception
from services.perception.segment.masks import Segmenter
from services.perception.segment.selfie import SelfieSegmenter
from services.perception.settings import PerceptionSettings

SERVICE = "perception"


def load_perception(settings: PerceptionSettings) -> Perception:
    """All stages of the profile. Raises ``model_unavailable`` naming the file that is missing or altered."""
    weights_dir, threads = settings.weights_dir, settings.threads
    entries = load_registry(weights_dir, SERVICE, settings.profile)
    models = {role: OnnxModel.load(entry, weights_dir, SERVICE, threads) for role, entry in entries.items()}
    face_entries = load_registry(weights_dir, "faces", settings.profile)
    named = {role: f"{entry.name} {entry.revision}" for role, entry in (face_entries | entries).items()}
    segmenter: Segmenter = SelfieSegmenter(models["segmentation"])
    asker: Asker = SmallAsker(
        FaceModels(models["age_gender"], models["age_gender_second"], models["expression"]),
        SceneReader(models["scene"], entries["scene"].name),
    )
    sam, vision_language = load_segmenter(settings), load_vision_language(settings)
    if sam is not None:
        segmenter = sam
        named["segmentation"] = sam.network.name
    if vision_language is not None:
        asker = DescribingAsker(vision_language, asker)
        named["vision_language"] = vision_language.name
    return Perception(
        detector=Detector(
            FaceFinder.load(weights_dir, threads, settings.profile),
            ObjectDetector(models["objects"]),
            PoseFinder(models["poses"]),
        ),
        segmenter=segmenter,
        asker=asker,
        models=named,
        memory=Memory(settings.memory_entries, settings.memory_s),
        vision_language=vision_language,
        leave_out_sensitive=settings.leave_out_sensitive,
    )
