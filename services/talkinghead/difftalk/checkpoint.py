"""A model as a folder: safetensors and JSON, `unet/`, `vqvae/` and `scheduler/` as diffusers writes them."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from services.talkinghead.difftalk.configuration import (
    DiffTalkConfiguration,
    FirstStageConfiguration,
    NoiseSchedule,
    PatchFirstStageConfiguration,
    PixelWindow,
    UNetConfiguration,
)
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, build_first_stage
from services.talkinghead.difftalk.sampler import build_scheduler

INDEX = "model_index.json"
_WEIGHTS = "model.safetensors"


def configuration_from_dict(values: dict[str, Any]) -> DiffTalkConfiguration:
    """The inverse of `dataclasses.asdict`, after a way through JSON."""
    unet, first_stage = dict(values["unet"]), dict(values["first_stage"])
    unet["block_channels"], unet["attention"] = tuple(unet["block_channels"]), tuple(unet["attention"])
    return DiffTalkConfiguration(
        **{
            **values,
            "window": PixelWindow(**values["window"]),
            "unet": UNetConfiguration(**unet),
            "first_stage": _first_stage_from_dict(first_stage),
            "schedule": NoiseSchedule(**values["schedule"]),
        }
    )


def _first_stage_from_dict(values: dict[str, Any]) -> FirstStageConfiguration | PatchFirstStageConfiguration:
    if "factor" in values:
        return PatchFirstStageConfiguration(**values)
    return FirstStageConfiguration(**{**values, "block_channels": tuple(values["block_channels"])})


def save(
    folder: Path,
    configuration: DiffTalkConfiguration,
    denoiser: Denoiser,
    first_stage: FirstStage,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the model to `folder`; the weights are stored as `dtype`, the modules stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    denoiser.unet.save_pretrained(folder / "unet")
    first_stage.save_pretrained(folder / "vqvae")
    build_scheduler(configuration.schedule).save_pretrained(folder / "scheduler")
    _save_module(folder / "audio_encoder", denoiser.audio_encoder, {"features": configuration.audio_features})
    landmark_sizes = {"centre_px": configuration.landmark_centre_px, "scale_px": configuration.landmark_scale_px}
    _save_module(folder / "landmark_encoder", denoiser.landmark_encoder, landmark_sizes)
    if dtype != torch.float32:
        for weights in folder.glob("*/*.safetensors"):
            tensors = {name: tensor.to(dtype) for name, tensor in load_file(weights).items()}
            save_file(tensors, weights, metadata={"format": "pt"})
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)  # safetensors leaves them to the owner; a service may run as somebody else
    patch = isinstance(configuration.first_stage, PatchFirstStageConfiguration)
    index = {
        "_class_name": "DiffTalk",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vqvae": ["services.talkinghead" if patch else "diffusers", type(first_stage).__name__],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "configuration": asdict(configuration),
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def save_whole(
    folder: Path,
    configuration: DiffTalkConfiguration,
    denoiser: Denoiser,
    first_stage: FirstStage,
    dtype: torch.dtype = torch.float32,
) -> None:
    """As `save`, in the place of the model that was there, which stays as it is until all is written.

    Raises OSError: the disk is full.
    """
    unfinished, before = (folder.with_name(f"{folder.name}.{state}") for state in ("unfinished", "before"))
    for leftover in (unfinished, before):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        save(unfinished, configuration, denoiser, first_stage, dtype)
    except (SafetensorError, OSError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OSError(getattr(error, "errno", None), f"{folder} cannot be written: {error}") from error
    if folder.exists():
        folder.rename(before)
    unfinished.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def load(folder: Path) -> tuple[DiffTalkConfiguration, Denoiser, FirstStage]:
    """Read a model, in float32 and ready to infer.

    Raises:
        FileNotFoundError: a part is missing.
        RuntimeError: a part's weights do not fit the configuration.
    """
    configuration = configuration_from_dict(json.loads((folder / INDEX).read_text())["configuration"])
    denoiser, first_stage = Denoiser(configuration), build_first_stage(configuration.first_stage)
    parts: dict[str, nn.Module] = {
        "unet": denoiser.unet,
        "audio_encoder": denoiser.audio_encoder,
        "landmark_encoder": denoiser.landmark_encoder,
        "vqvae": first_stage,
    }
    for name, module in parts.items():
        path = next((folder / name).glob("*.safetensors"), None)
        if path is None:
            raise FileNotFoundError(f"{folder / name}: no safetensors file in it")
        module.load_state_dict({key: tensor.float() for key, tensor in load_file(path).items()})
        module.eval().requires_grad_(False)
    return configuration, denoiser, first_stage


def _save_module(folder: Path, module: nn.Module, sizes: dict[str, int] | dict[str, float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(module.state_dict(), folder / _WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(sizes, indent=2) + "\n")
