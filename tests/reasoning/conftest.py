"""The small real model (SmolLM2-135M), through the same runtime as the default one."""

from pathlib import Path

import pytest

from services.common.registry import load_registry, model_path
from services.common.settings import REPOSITORY
from services.reasoning.llamacpp import LlamaCppModel
from services.reasoning.transformers_lm import TransformersModel
from tests.reasoning.tiny_llama import save_tiny_llama

SMALL_MODEL = "smollm2-135m"


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small_model_path(cache_dir: Path) -> Path:
    entry = load_registry(REPOSITORY / "weights", "reasoning", "tiny")[SMALL_MODEL]
    return model_path(entry, REPOSITORY / "weights", "reasoning", cache_dir)


@pytest.fixture(scope="session")
def small_model(small_model_path: Path, cache_dir: Path) -> LlamaCppModel:
    return LlamaCppModel(small_model_path, SMALL_MODEL, "0" * 64, cache_dir, n_threads=1)


@pytest.fixture(scope="session")
def tiny_torch(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    """Random weights: what is true of any causal language model, in milliseconds."""
    return TransformersModel(save_tiny_llama(tmp_path_factory.mktemp("tiny")), "tiny", "0" * 64)
