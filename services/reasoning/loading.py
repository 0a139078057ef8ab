"""From settings to a reasoner that is ready to answer."""

from pathlib import Path
from typing import Any

from services.common.errors import ProblemError
from services.common.registry import load_registry, model_path
from services.reasoning.calibration import load_calibrations
from services.reasoning.hosted import HostedModel
from services.reasoning.llm import LanguageModel
from services.reasoning.pipeline import Reasoner
from services.reasoning.schemas import Method
from services.reasoning.settings import ReasoningSettings


def load_reasoner(settings: ReasoningSettings) -> Reasoner[Any]:
    """Verify and load the language model that the settings name. Raises ``model_unavailable``."""
    model = load_model(settings)
    return Reasoner(
        model,
        load_calibrations(settings.weights_dir / "reasoning" / "calibration.json"),
        method=scoring_method(model, settings),
        leave_out_sensitive=settings.leave_out_sensitive,
    )


def scoring_method(model: LanguageModel[Any], settings: ReasoningSettings) -> Method:
    """As the settings say; a server is told the labels' names and asked in its own way (``label_method``)."""
    return settings.scoring if model.label_method is None else "label words"


def load_model(settings: ReasoningSettings) -> LanguageModel[Any]:
    """The model on the runtime that the settings name; a runtime is imported only when it is used."""
    if settings.llm.startswith(("http://", "https://")):
        return HostedModel(
            settings.llm,
            model=settings.llm_model,
            key=settings.llm_key.get_secret_value(),
            timeout_s=settings.llm_timeout_s,
            concurrency=settings.llm_concurrency,
            retries=settings.llm_retries,
        )
    if Path(settings.llm).is_dir():
        if settings.llm_runtime != "transformers":
            raise ProblemError(
                "model_unavailable",
                f"llm: {settings.llm} is a folder, which llama.cpp cannot read; set llm_runtime to transformers",
                param="llm",
            )
        return _transformers(Path(settings.llm), Path(settings.llm).name)
    entries = load_registry(settings.weights_dir, "reasoning", settings.profile)
    if settings.llm not in entries:
        raise ProblemError(
            "model_unavailable", f"llm: {settings.llm!r} is no folder and not one of {sorted(entries)}", param="llm"
        )
    entry = entries[settings.llm]
    path = model_path(entry, settings.weights_dir, "reasoning", settings.cache_dir)
    if settings.llm_runtime == "transformers":
        return _transformers(path, settings.llm, entry.sha256)
    from services.reasoning.llamacpp import LlamaCppModel  # noqa: PLC0415

    return LlamaCppModel(path, settings.llm, entry.sha256, settings.cache_dir, settings.threads)


def _transformers(path: Path, name: str, sha256: str | None = None) -> LanguageModel[Any]:
    try:
        from services.reasoning.transformers_lm import TransformersModel, folder_sha256  # noqa: PLC0415
    except ImportError as error:
        raise ProblemError(
            "model_unavailable",
            f"llm_runtime: transformers needs the extra raconteur[search]: {error}",
            param="llm_runtime",
        ) from None
    return TransformersModel(path, name, sha256 or folder_sha256(path))
