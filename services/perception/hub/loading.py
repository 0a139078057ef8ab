"""From settings to the segmenter and the vision-language model of a profile. What is not named is not loaded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.common.errors import ProblemError
from services.perception.ask.endpoint import Endpoint
from services.perception.ask.together import Together
from services.perception.ask.vision_language import VisionLanguageModel
from services.perception.hub.source import Checkpoint, HubEntry, load_hub_registry
from services.perception.settings import PerceptionSettings

if TYPE_CHECKING:
    from services.perception.segment.sam import SamSegmenter


def load_segmenter(settings: PerceptionSettings) -> "SamSegmenter | None":
    """None where the profile has none of its own. Raises ``model_unavailable``."""
    checkpoint = _checkpoint(settings, settings.segmenter, "segmenter")
    if checkpoint is None:
        return None
    from services.perception.segment.promptable import PromptableNetwork  # noqa: PLC0415 - torch, of the extra
    from services.perception.segment.sam import SamSegmenter  # noqa: PLC0415

    return SamSegmenter(PromptableNetwork.load(checkpoint), settings.grid_points)


def load_vision_language(settings: PerceptionSettings) -> VisionLanguageModel | None:
    """None where the profile has none. Raises ``model_unavailable``."""
    if settings.vlm_url is not None and settings.vlm_model is not None:
        return Endpoint(str(settings.vlm_url), settings.vlm_model, settings.vlm_key)
    checkpoint = _checkpoint(settings, settings.vlm, "questions")
    if checkpoint is None:
        return None
    from services.perception.ask.answering import Answerer  # noqa: PLC0415 - torch, of the extra
    from services.perception.ask.families.blip import Blip  # noqa: PLC0415
    from services.perception.ask.families.blip2 import Blip2  # noqa: PLC0415
    from services.perception.ask.families.chat import Chat  # noqa: PLC0415

    kind = checkpoint.config().get("model_type")
    if kind == "blip":
        captions = _checkpoint(settings, None, "captions")
        if captions is None:
            raise ProblemError(
                "model_unavailable",
                f"vlm: {checkpoint.name} is a BLIP, whose captions are another network; use the profile small",
                param="vlm",
            )
        return Together(Answerer(Blip.load(checkpoint, captions)))
    return Together(Answerer(Blip2.load(checkpoint) if kind == "blip-2" else Chat.load(checkpoint)))


def _checkpoint(settings: PerceptionSettings, source: str | None, role: str) -> Checkpoint | None:
    """What the caller names, else the profile's; None where neither names one."""
    entry = _entries(settings).get(role)
    if source is None and entry is None:
        return None
    _need_transformers()
    if source is not None:
        return Checkpoint.named(source, settings.cache_dir, param={"questions": "vlm"}.get(role, role))
    return None if entry is None else Checkpoint.of_entry(entry, settings.cache_dir)


def _entries(settings: PerceptionSettings) -> Mapping[str, HubEntry]:
    if settings.perception_profile == "tiny":
        return {}
    return load_hub_registry(settings.weights_dir, settings.perception_profile)


def _need_transformers() -> None:
    try:
        import transformers  # noqa: F401, PLC0415
    except ImportError as error:
        raise ProblemError(
            "model_unavailable", f"perception_profile: models of the hub need the extra raconteur[vision]: {error}"
        ) from None
