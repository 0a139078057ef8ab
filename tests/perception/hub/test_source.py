"""Repositories at one commit, found in a cache of the hub's layout, and checked before they are read."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import SamModel

from services.common.errors import ProblemError
from services.common.registry import sha256_of
from services.common.settings import REPOSITORY
from services.perception.hub.network import load_network
from services.perception.hub.source import Checkpoint, HubEntry, load_hub_registry
from tests.perception.hub.tiny_sam import save_tiny_sam

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENTRY = HubEntry(repository="owner/tiny-sam", revision=COMMIT, licence="Apache-2.0")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sam(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def cache(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the repository at ``COMMIT``; nothing is fetched."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.copytree(saved, tmp_path / "hub" / "models--owner--tiny-sam" / "snapshots" / COMMIT)
    return tmp_path


def weights(cache: Path) -> Path:
    return cache / "hub" / "models--owner--tiny-sam" / "snapshots" / COMMIT / "model.safetensors"


def refusal(entry: HubEntry, cache: Path) -> str:
    with pytest.raises(ProblemError) as caught:
        load_network(Checkpoint.of_entry(entry, cache), "SamModel")
    assert caught.value.code == "model_unavailable"
    return caught.value.detail


def test_a_pinned_repository_is_loaded_from_the_cache(cache: Path, saved: Path):
    entry = ENTRY.model_copy(update={"sha256": {"model.safetensors": sha256_of(saved / "model.safetensors")}})
    checkpoint = Checkpoint.of_entry(entry, cache)
    assert checkpoint.name == "owner/tiny-sam 0123456789ab"
    network = load_network(checkpoint, "SamModel")
    assert isinstance(network, SamModel) and not any(one.requires_grad for one in network.parameters())


def test_an_altered_file_is_named(cache: Path, saved: Path):
    entry = ENTRY.model_copy(update={"sha256": {"model.safetensors": sha256_of(saved / "model.safetensors")}})
    weights(cache).write_bytes(b"not the model")
    assert "model.safetensors" in refusal(entry, cache) and "sha256" in refusal(entry, cache)


def test_a_missing_file_is_named(cache: Path):
    weights(cache).unlink()
    assert "model.safetensors" in refusal(ENTRY, cache)


def test_a_pickle_is_never_read(cache: Path):
    network = SamModel.from_pretrained(weights(cache).parent)
    weights(cache).unlink()
    torch.save(network.state_dict(), weights(cache).with_name("pytorch_model.bin"))
    assert "safetensors" in refusal(ENTRY, cache)


def test_missing_weights_are_named(cache: Path):
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    state = load_file(weights(cache))
    gone = next(name for name in state if name.startswith("mask_decoder"))
    del state[gone]
    save_file(state, weights(cache), {"format": "pt"})
    assert gone in refusal(ENTRY, cache)


def test_code_in_the_repository_is_not_run(cache: Path):
    folder = weights(cache).parent
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace("{", '{"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},', 1)
    )
    (folder / "evil.py").write_text(f"open({str(cache / 'ran')!r}, 'w')")
    load_network(Checkpoint.of_entry(ENTRY, cache), "SamModel")
    assert not (cache / "ran").exists()


@pytest.mark.parametrize("source", ["owner/tiny-sam", "owner/tiny-sam@main", f"tiny-sam@{COMMIT}", "/no/such/folder"])
def test_a_source_that_is_not_pinned_is_refused(source: str, tmp_path: Path):
    with pytest.raises(ProblemError, match="40 hexadecimal") as caught:
        Checkpoint.named(source, tmp_path, param="segmenter")
    assert (caught.value.code, caught.value.param) == ("model_unavailable", "segmenter")


def test_a_repository_that_is_nowhere_is_named(cache: Path):
    with pytest.raises(ProblemError, match="owner/other"):
        Checkpoint.named(f"owner/other@{COMMIT}", cache, param="segmenter")


@pytest.mark.parametrize("profile", ["small", "full"])
def test_shipped_profiles_pin_every_repository(profile: str):
    assert set(load_hub_registry(REPOSITORY / "weights", profile)) >= {"segmenter", "questions"}
