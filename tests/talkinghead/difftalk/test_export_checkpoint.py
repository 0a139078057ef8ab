"""Back to the original layout: nothing may be lost, nothing made up."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.export_checkpoint import export_checkpoint
from services.talkinghead.difftalk.import_checkpoint import import_checkpoint
from services.talkinghead.difftalk.original_file import CheckpointError
from services.talkinghead.difftalk.pipeline import DiffTalk

RAW, AVERAGE = "model.diffusion_model.", "model_ema.diffusion_model"


def stored(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def assert_same_tensors(made: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> None:
    assert made.keys() == truth.keys()
    for name, tensor in truth.items():
        assert made[name].dtype == tensor.dtype
        assert torch.equal(made[name], tensor), name


def reimported(golden_checkpoint: Path, folder: Path, **changes: Any) -> Path:
    return import_checkpoint(golden_checkpoint, folder, square_px=64, **changes).folder


@pytest.mark.parametrize("use_ema", [True, False], ids=["average", "raw"])
def test_round_trip_is_exact(golden_checkpoint: Path, tmp_path: Path, use_ema: bool):
    folder = reimported(golden_checkpoint, tmp_path / "model", use_ema=use_ema)
    export_checkpoint(folder, tmp_path / "new" / "back.ckpt")
    made, truth = stored(tmp_path / "new" / "back.ckpt"), stored(golden_checkpoint)
    assert made["global_step"] == truth["global_step"] == 12345
    assert_same_tensors(made["state_dict"], truth["state_dict"])
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["back.ckpt"]


def test_unknown_modules_come_back(golden_checkpoint: Path, tmp_path: Path):
    content = stored(golden_checkpoint)
    content["state_dict"]["discriminator.weight"] = torch.arange(6.0).reshape(2, 3).T
    torch.save(content, tmp_path / "more.ckpt")
    export_checkpoint(reimported(tmp_path / "more.ckpt", tmp_path / "model"), tmp_path / "back.ckpt")
    assert_same_tensors(stored(tmp_path / "back.ckpt")["state_dict"], content["state_dict"])


def test_model_trained_here_is_stored_as_raw_weights_and_average(imported: Path, tmp_path: Path):
    checkpoint.save(tmp_path / "model", *checkpoint.load(imported))
    made = export_checkpoint(tmp_path / "model", tmp_path / "trained.ckpt").state
    raw = {name for name in made if name.startswith(RAW)}
    assert len(raw) == sum(name.startswith(AVERAGE) for name in made)
    for name in raw:
        average = AVERAGE + name.removeprefix(RAW).replace(".", "")
        assert torch.equal(made[name], made[average])
    again = reimported(tmp_path / "trained.ckpt", tmp_path / "again")
    assert_same_tensors(checkpoint.load(again)[1].state_dict(), checkpoint.load(imported)[1].state_dict())


def test_model_of_another_design_is_refused(tiny_model: DiffTalk, tmp_path: Path):
    checkpoint.save(tmp_path / "model", tiny_model.configuration, tiny_model._denoiser, tiny_model._first_stage)
    with pytest.raises(CheckpointError, match="'tiny' is not of the original's design"):
        export_checkpoint(tmp_path / "model", tmp_path / "tiny.ckpt")
    assert not (tmp_path / "tiny.ckpt").exists()


def break_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")


def empty_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{}")


def widen_index(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["configuration"]["unet"]["layers_per_block"] = 2
    (folder / "model_index.json").write_text(json.dumps(index))


def cut_weights(folder: Path) -> None:
    weights = folder / "vqvae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def cut_remainder(folder: Path) -> None:
    (folder / "original.safetensors").write_bytes(b"short")


def drop_unet(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


@pytest.mark.parametrize("damage", [break_index, empty_index, widen_index, cut_weights, cut_remainder, drop_unet])
def test_damaged_folder_is_refused_in_one_line(imported: Path, tmp_path: Path, damage: Any):
    folder = shutil.copytree(imported, tmp_path / "model")
    damage(folder)
    with pytest.raises(CheckpointError, match="model: holds no whole model: ") as caught:
        export_checkpoint(folder, tmp_path / "back.ckpt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "back.ckpt").exists()
