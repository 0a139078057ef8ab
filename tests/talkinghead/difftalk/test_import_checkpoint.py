"""Checkpoints of the original layout: good ones, raw or averaged, and bad ones."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel, VQModel

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.import_checkpoint import CheckpointError, import_checkpoint

UNET_TENSOR = "model.diffusion_model.middle_block.0.in_layers.2.weight"


@pytest.fixture
def content(golden_checkpoint: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(golden_checkpoint, weights_only=True)
    return stored


def refusal(path: Path) -> str:
    """The message that importing the file fails with; nothing may be left behind."""
    out = path.parent / "out"
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, out, square_px=64)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def saved(content: dict[str, Any], folder: Path) -> Path:
    torch.save(content, folder / "changed.ckpt")
    return folder / "changed.ckpt"


def test_parts_load_with_plain_diffusers(imported: Path):
    unet = UNet2DConditionModel.from_pretrained(imported / "unet", low_cpu_mem_usage=False)
    first_stage = VQModel.from_pretrained(imported / "vqvae", low_cpu_mem_usage=False)
    scheduler = DDIMScheduler.from_pretrained(imported / "scheduler")
    assert unet.config.in_channels == 9
    assert first_stage.config.num_vq_embeddings == 64
    assert scheduler.config.beta_schedule == "scaled_linear"


def test_moving_average_is_taken_unless_raw_weights_are_asked_for(
    imported: Path, golden_checkpoint: Path, content: dict[str, Any], tmp_path: Path
):
    raw = import_checkpoint(golden_checkpoint, tmp_path / "raw", square_px=64, use_ema=False)
    average_name = "model_ema." + UNET_TENSOR.removeprefix("model.").replace(".", "")
    for folder, name in ((raw, UNET_TENSOR), (imported, average_name)):
        _, denoiser, _ = checkpoint.load(folder)
        assert torch.equal(denoiser.unet.mid_block.resnets[0].conv1.weight, content["state_dict"][name])


def test_truncated_file_is_refused(golden_checkpoint: Path, tmp_path: Path):
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(golden_checkpoint.read_bytes()[:100_000])
    assert "cut.ckpt" in refusal(cut)


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path):
    text = tmp_path / "text.ckpt"
    text.write_text("these are not the weights you are looking for")
    assert "text.ckpt" in refusal(text)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path):
    mark = tmp_path / "mark"
    path = saved({"state_dict": {}, "trap": Trap(mark)}, tmp_path)
    assert "nothing was run" in refusal(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))  # noqa: S301 - the trap is our own: it does work where nobody is careful
    assert mark.exists()


def test_unknown_tensor_is_named(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["model.diffusion_model.extra.weight"] = torch.zeros(1)
    assert "unknown tensors model.diffusion_model.extra.weight" in refusal(saved(content, tmp_path))


def test_missing_tensor_is_named(content: dict[str, Any], tmp_path: Path):
    name = "cond_stage_model_for_ldm.encoder_fc1.0.weight"
    del content["state_dict"][name]
    assert f"missing tensors {name}" in refusal(saved(content, tmp_path))


def test_tensor_of_wrong_shape_is_named(content: dict[str, Any], tmp_path: Path):
    name = "cond_stage_model_for_ldm.encoder_fc1.0.weight"
    content["state_dict"][name] = torch.zeros(128, 70)
    assert f"{name} has shape (128, 70), (128, 78) was expected" in refusal(saved(content, tmp_path))


def test_other_layout_is_refused(tmp_path: Path):
    assert "not of the original layout" in refusal(saved({"state_dict": {"weight": torch.zeros(1)}}, tmp_path))


def test_other_noise_schedule_is_refused(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["betas"] = torch.linspace(1e-4, 0.02, 1000)
    assert "noise schedule" in refusal(saved(content, tmp_path))
