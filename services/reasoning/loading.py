"""From settings to a reasoner that is ready to answer."""

from services.common.errors import ProblemError
from services.common.registry import load_registry, model_path
from services.reasoning.calibration import load_calibrations
from services.reasoning.llamacpp import LlamaCppModel, LlamaPrefix
from services.reasoning.pipeline import Reasoner
from services.reasoning.settings import ReasoningSettings


def load_reasoner(settings: ReasoningSettings) -> Reasoner[LlamaPrefix]:
    """Verify and load the language model that the settings name. Raises ``model_unavailable``."""
    entries = load_registry(settings.weights_dir, "reasoning", settings.profile)
    if settings.llm not in entries:
        raise ProblemError("model_unavailable", f"llm: {settings.llm!r} is not one of {sorted(entries)}", param="llm")
    path = model_path(entries[settings.llm], settings.weights_dir, "reasoning", settings.cache_dir)
    model = LlamaCppModel(path, settings.llm, entries[settings.llm].sha256, settings.cache_dir, settings.threads)
    return Reasoner(model, load_calibrations(settings.weights_dir / "reasoning" / "calibration.json"))
