"""What stands in weights/: every model file is registered, and is what its registry says."""

import hashlib
import json
from pathlib import Path

import pytest

WEIGHTS = Path(__file__).parents[2] / "weights"
REGISTRIES = sorted(WEIGHTS.glob("*/models.json"))
MOST_CONVERTED_BYTES = 41_000_000


def entries(registry: Path) -> list[dict[str, str]]:
    return [entry for profile in json.loads(registry.read_text()).values() for entry in profile.values()]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda path: path.parent.name)
def test_each_file_has_the_hash_a_licence_and_a_source(registry):
    for entry in entries(registry):
        assert entry["licence"]
        assert entry["source"]
        if "file" in entry:
            content = (registry.parent / entry["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]


def test_no_model_file_is_unregistered():
    registered = {
        registry.parent / entry["file"] for registry in REGISTRIES for entry in entries(registry) if "file" in entry
    }
    assert {path for kind in ("onnx", "safetensors") for path in WEIGHTS.rglob(f"*.{kind}")} == registered


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda path: path.parent.name)
def test_each_folder_has_a_model_card(registry):
    card = (registry.parent / "README.md").read_text()
    for told in ("licence", "limits"):
        assert told in card.lower(), f"{registry.parent.name}/README.md does not speak of {told}"


def test_what_was_converted_from_others_stays_small():
    sizes = [
        path.stat().st_size
        for folder in ("perception", "faces", "speech")
        for kind in ("onnx", "safetensors")
        for path in (WEIGHTS / folder).glob(f"*.{kind}")
        if path.name != "head.safetensors"
    ]
    assert sum(sizes) < MOST_CONVERTED_BYTES
