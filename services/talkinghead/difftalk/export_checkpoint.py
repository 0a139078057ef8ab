"""Our folder -> a checkpoint of the original layout, which the original code loads.

A folder made by `import_checkpoint` gives back every tensor that was imported, raw weights and moving average, and the
step count. Other folders give the weights in use under both names; buffers of the noise schedule are then left out,
which the original sets up by itself (it loads with `strict=False`).
"""

from pathlib import Path
from typing import TypeAlias

from safetensors import SafetensorError
from torch import Tensor

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import (
    DiffTalkConfiguration,
    NoiseSchedule,
    PatchFirstStageConfiguration,
)
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage
from services.talkinghead.difftalk.original_file import CheckpointError, OriginalCheckpoint, one_line, write_original
from services.talkinghead.difftalk.original_names import (
    UNET_PREFIX,
    as_original,
    audio_names,
    ema_name,
    first_stage_names,
    landmark_names,
    unet_names,
)
from services.talkinghead.difftalk.remainder import Remainder

_Model: TypeAlias = tuple[DiffTalkConfiguration, Denoiser, FirstStage]


def export_checkpoint(folder: Path, path: Path) -> OriginalCheckpoint:
    """Write a model back as the original stores it.

    Args:
        folder: a model's folder.
        path: the .ckpt file to write.

    Raises:
        CheckpointError: `folder` holds no whole model, or one that the original layout has no place for.
        OSError: `path` cannot be written.
    """
    (configuration, denoiser, first_stage), remainder = _load(folder)
    if not _is_originals_design(configuration):
        raise CheckpointError(f"{folder}: model {configuration.name!r} is not of the original's design")
    unet = _renamed(denoiser.unet.state_dict(), unet_names(denoiser.unet.state_dict(), configuration))
    state: dict[str, Tensor] = {}
    if remainder is None or remainder.taken == "raw":
        state |= {UNET_PREFIX + name: tensor for name, tensor in unet.items()}
    if remainder is None or remainder.taken == "ema":
        state |= {ema_name(name): tensor for name, tensor in unet.items()}
    for module, name_all in (
        (denoiser.audio_encoder, audio_names),
        (denoiser.landmark_encoder, landmark_names),
        (first_stage, first_stage_names),
    ):
        tensors = module.state_dict()
        state |= _renamed(tensors, name_all(tensors))
    if remainder is not None:
        state |= remainder.tensors
    original = OriginalCheckpoint(path, state, remainder.global_step if remainder is not None else 0)
    write_original(original)
    return original


def _load(folder: Path) -> tuple[_Model, Remainder | None]:
    try:
        return checkpoint.load(folder), Remainder.load(folder)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: holds no whole model: {one_line(error)}") from error


def _renamed(tensors: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    return {names[key]: as_original(names[key], tensor) for key, tensor in tensors.items()}


def _is_originals_design(configuration: DiffTalkConfiguration) -> bool:
    return (
        configuration.schedule == NoiseSchedule()
        and not isinstance(configuration.first_stage, PatchFirstStageConfiguration)
        and not configuration.refines_draft
        and (configuration.landmark_centre_px, configuration.landmark_scale_px) == (0.0, 1.0)
    )
