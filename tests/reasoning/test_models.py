"""Weights that come inside strangers' packages are data and stay data."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from services.common.registry import ModelEntry, load_registry
from services.common.settings import REPOSITORY
from services.reasoning.settings import ReasoningSettings

ENTRIES = load_registry(REPOSITORY / "weights", "reasoning", "tiny")
PINS = "\n".join((REPOSITORY / name).read_text() for name in ("models.txt", "models-dev.txt"))


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_every_package_with_weights_is_pinned_by_version_and_hash(entry: ModelEntry):
    for name in entry.parts.distributions:
        assert re.search(rf"^{name}=={entry.parts.version} --hash=sha256:[0-9a-f]{{64}}$", PINS, re.MULTILINE)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_no_package_with_weights_runs_by_itself(entry: ModelEntry):
    for name in entry.parts.distributions:
        package = importlib.metadata.distribution(name)
        outside = [file for file in package.files if file.parts[0].endswith((".pth", "customize.py"))]
        assert not outside and not package.entry_points.select(group="console_scripts")


def test_reading_the_weights_imports_no_package(small_model_path: Path):
    packages = {name.replace("-", "_") for entry in ENTRIES.values() for name in entry.parts.distributions}
    assert small_model_path.is_file() and not packages & set(sys.modules)


def test_the_default_model_is_one_of_the_registry():
    assert ReasoningSettings.model_fields["llm"].default in ENTRIES
