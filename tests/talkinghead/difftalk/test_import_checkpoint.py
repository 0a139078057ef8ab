"""Checkpoints of the original layout: good ones, raw or averaged, and bad ones."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel, VQModel
from safetensors.torch import save_file

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import SpeechFeatures
from services.talkinghead.difftalk.import_checkpoint import import_checkpoint
from services.talkinghead.difftalk.original_file import CheckpointError

UNET_TENSOR = "model.diffusion_model.middle_block.0.in_layers.2.weight"
LANDMARK_TENSOR = "cond_stage_model_for_ldm.encoder_fc1.0.weight"


@pytest.fixture(scope="module")
def golden_content(golden_checkpoint: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(golden_checkpoint, weights_only=True)
    return stored


@pytest.fixture
def content(golden_content: dict[str, Any]) -> dict[str, Any]:
    """A copy to change; its tensors are shared."""
    return {**golden_content, "state_dict": dict(golden_content["state_dict"])}


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


@torch.no_grad()
def test_parts_load_with_plain_diffusers(imported: Path, golden: dict[str, torch.Tensor]):
    unet = UNet2DConditionModel.from_pretrained(imported / "unet")
    first_stage = VQModel.from_pretrained(imported / "vqvae")
    scheduler = DDIMScheduler.from_pretrained(imported / "scheduler")
    context = torch.cat([golden["audio_context"], golden["landmark_context"]], dim=1)[:, None]
    noisy = torch.cat([golden["noisy_latent"], golden["masked_latent"], golden["reference_latent"]], dim=1)
    predicted = unet(noisy, golden["timestep"], context).sample
    assert torch.allclose(predicted, golden["predicted_noise"], atol=1e-4 * float(golden["predicted_noise"].std()))
    decoded = first_stage.decode(golden["image_latent"]).sample
    assert torch.allclose(decoded, golden["image_reconstruction"], atol=1e-4)
    assert scheduler.config.beta_schedule == "scaled_linear"


def test_folder_holds_all_parts(imported: Path):
    parts = {"unet", "vqvae", "scheduler", "audio_encoder", "landmark_encoder", "model_index.json"}
    assert parts <= {entry.name for entry in imported.iterdir()}
    assert all(file.stat().st_mode & 0o044 for file in imported.rglob("*.safetensors"))  # others may read them


def test_moving_average_is_taken_unless_raw_weights_are_asked_for(
    imported: Path, golden_checkpoint: Path, content: dict[str, Any], tmp_path: Path
):
    raw = import_checkpoint(golden_checkpoint, tmp_path / "raw", square_px=64, use_ema=False).folder
    average_name = "model_ema." + UNET_TENSOR.removeprefix("model.").replace(".", "")
    for folder, name in ((raw, UNET_TENSOR), (imported, average_name)):
        _, denoiser, _ = checkpoint.load(folder)
        assert torch.equal(denoiser.unet.mid_block.resnets[0].conv1.weight, content["state_dict"][name])


@pytest.mark.parametrize("length", [0, 1, 100, 100_000, 11_719_000])
def test_truncated_file_is_refused(golden_checkpoint: Path, tmp_path: Path, length: int):
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(golden_checkpoint.read_bytes()[:length])
    assert "cut.ckpt: not readable as a checkpoint" in refusal(cut)


@pytest.mark.parametrize(
    "first", [b"these are not the weights", b"\x80\x02", b"c", b"}q", b"(", b"PK\x03\x04", b"\x89PNG"]
)
def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path, first: bytes):
    other = tmp_path / "other.ckpt"
    other.write_bytes(first + np.random.default_rng(0).bytes(5000))
    assert "other.ckpt: not readable as a checkpoint" in refusal(other)


def test_safetensors_under_a_checkpoints_name_are_refused(tmp_path: Path):
    mislabelled = tmp_path / "mislabelled.ckpt"
    save_file({UNET_TENSOR: torch.zeros(2)}, mislabelled)
    assert "mislabelled.ckpt: not readable as a checkpoint" in refusal(mislabelled)


def test_missing_file_is_an_error_of_the_system(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ckpt"):
        import_checkpoint(tmp_path / "nowhere.ckpt", tmp_path / "out")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("kind", ["archive", "legacy archive", "bare pickle"])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, kind: str):
    mark, path = tmp_path / "mark", tmp_path / "trap.ckpt"
    content = {"state_dict": {}, "trap": Trap(mark)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "archive")
    message = refusal(path)
    assert "nothing was run" in message
    assert not mark.exists()
    if kind == "archive":
        assert "holds posix.system, which is no tensor" in message
    pickle.loads(pickle.dumps(Trap(mark)))  # noqa: S301 - the trap is our own: it does work where nobody is careful
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"weights": {}},
        {"state_dict": [torch.zeros(1)]},
        {"state_dict": {"name": "no tensor"}},
        {"state_dict": {7: torch.zeros(1)}},
        {"state_dict": {"small file, large tensor": torch.zeros(1).expand(10**12)}},
        {"state_dict": {"sparse": torch.eye(3).to_sparse()}},
        {"state_dict": {"nothing": torch.empty(3, device="meta")}},
    ],
)
def test_content_without_whole_tensors_by_name_is_refused(content: Any, tmp_path: Path):
    assert "has no 'state_dict' of named tensors" in refusal(saved(content, tmp_path))


def test_unknown_tensor_in_a_known_module_is_refused_by_name(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["model.diffusion_model.extra.weight"] = torch.zeros(1)
    assert "unknown tensors model.diffusion_model.extra.weight" in refusal(saved(content, tmp_path))


def test_unknown_module_is_named_and_left_aside(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["discriminator.weight"] = torch.zeros(1)
    made = import_checkpoint(saved(content, tmp_path), tmp_path / "out", square_px=64)
    assert made.unknown == ["discriminator.weight"]


def test_name_with_line_breaks_is_told_on_one_line(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["model.two\nlines\x1b[2J"] = torch.zeros(1)
    assert r"model.two\nlines\x1b[2J" in refusal(saved(content, tmp_path))


def test_missing_tensor_is_named(content: dict[str, Any], tmp_path: Path):
    del content["state_dict"][LANDMARK_TENSOR]
    assert f"missing tensors {LANDMARK_TENSOR}" in refusal(saved(content, tmp_path))


@pytest.mark.parametrize("shape", [(128, 70), ()])
def test_tensor_of_wrong_shape_is_named(content: dict[str, Any], tmp_path: Path, shape: tuple[int, ...]):
    content["state_dict"][LANDMARK_TENSOR] = torch.zeros(shape)
    message = refusal(saved(content, tmp_path))
    assert f"{LANDMARK_TENSOR} has shape {shape} of torch.float32, (128, 78) was expected" in message


def test_tensor_of_whole_numbers_is_refused(content: dict[str, Any], tmp_path: Path):
    content["state_dict"][LANDMARK_TENSOR] = torch.zeros((128, 78), dtype=torch.int64)
    assert f"{LANDMARK_TENSOR} has shape (128, 78) of torch.int64" in refusal(saved(content, tmp_path))


@pytest.mark.parametrize("channels", [33, 10**9])
def test_impossible_width_is_refused(content: dict[str, Any], tmp_path: Path, channels: int):
    name = "model.diffusion_model.input_blocks.3.0.out_layers.3.weight"
    content["state_dict"][name] = torch.empty(channels, 0)  # takes no memory, however wide
    assert "changed.ckpt: " in refusal(saved(content, tmp_path))


def test_tensor_that_tells_a_size_must_be_a_weight(content: dict[str, Any], tmp_path: Path):
    name = "first_stage_model.quantize.embedding.weight"
    for tensor in (torch.tensor(1.0), torch.empty(0, 3)):
        content["state_dict"][name] = tensor
        message = refusal(saved(content, tmp_path))
        assert f"{name} is missing or no weight" in message


def test_other_layout_is_refused(tmp_path: Path):
    assert "not of the original layout" in refusal(saved({"state_dict": {"weight": torch.zeros(1)}}, tmp_path))


def test_checkpoint_without_moving_average_gives_its_raw_weights_only(content: dict[str, Any], tmp_path: Path):
    content["state_dict"] = {n: t for n, t in content["state_dict"].items() if not n.startswith("model_ema.")}
    path = saved(content, tmp_path)
    assert "holds no moving average" in refusal(path)
    assert import_checkpoint(path, tmp_path / "raw", square_px=64, use_ema=False).weights == "raw"


def test_other_noise_schedule_is_refused(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["betas"] = torch.linspace(1e-4, 0.02, 1000)
    assert "noise schedule" in refusal(saved(content, tmp_path))


def test_scaled_latents_are_refused(content: dict[str, Any], tmp_path: Path):
    content["state_dict"]["scale_factor"] = torch.tensor(0.18)
    assert "scales its latents" in refusal(saved(content, tmp_path))


def test_half_precision_is_widened(content: dict[str, Any], tmp_path: Path):
    content["state_dict"] = {n: t.half() if n != "betas" else t for n, t in content["state_dict"].items()}
    made = import_checkpoint(saved(content, tmp_path), tmp_path / "out", square_px=64)
    _, denoiser, _ = checkpoint.load(made.folder)
    first = denoiser.landmark_encoder.layers[0].weight
    assert first.dtype == torch.float32
    assert torch.equal(first.half(), content["state_dict"][LANDMARK_TENSOR])


def test_speech_features_are_told_and_their_network_comes_along(golden_checkpoint: Path, tmp_path: Path):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"vocab_size": 29}')
    (encoder / "model.safetensors").write_bytes(b"weights")
    (encoder / "modeling.py").write_text("raise SystemExit")
    made = import_checkpoint(
        golden_checkpoint, tmp_path / "out", square_px=64, speech_features="wav2vec2", speech_encoder=encoder
    )
    assert made.configuration.speech_features == "wav2vec2"
    assert checkpoint.load(made.folder)[0].speech_features == "wav2vec2"
    assert {p.name for p in (made.folder / "speech_encoder").iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ("actions", "features of 29 values, 'actions' has 11"),
        ("whisper", "features of 29 values, 'whisper' has 512"),
        ("wav2vec2", "name its folder"),
    ],
)
def test_speech_features_that_do_not_fit_are_refused_before_anything_is_written(
    golden_checkpoint: Path, tmp_path: Path, features: SpeechFeatures, told: str
):
    with pytest.raises(CheckpointError, match=told):
        import_checkpoint(golden_checkpoint, tmp_path / "out", square_px=64, speech_features=features)
    assert not (tmp_path / "out").exists()
