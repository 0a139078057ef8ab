"""A checkpoint of the original layout -> our folder of safetensors and JSON.

The file is read with `weights_only`: tensors and plain containers, no code of the file is run. Sizes are read off the
tensors' shapes; what shapes do not tell (32 channels per head, 32 norm groups, the noise schedule) is DiffTalk's.
"""

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import (
    DiffTalkConfiguration,
    FirstStageConfiguration,
    NoiseSchedule,
    UNetConfiguration,
    whole_square,
)
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.original_names import (
    EMA_PREFIX,
    FIRST_STAGE_PREFIX,
    UNET_PREFIX,
    audio_names,
    ema_name,
    first_stage_names,
    landmark_names,
    unet_names,
)

StateDict = dict[str, Tensor]

_LATENT_EDGE = 64  # of the published sizes: 256 px with f = 4, 512 px with f = 8
_NAMED = 5  # names that an error message spells out

_SCHEDULE_BUFFERS = frozenset(
    {
        "betas",
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "sqrt_alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "sqrt_recip_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "posterior_variance",
        "posterior_log_variance_clipped",
        "posterior_mean_coef1",
        "posterior_mean_coef2",
        "lvlb_weights",
        "logvar",
        "scale_factor",
    }
)
"""Follow from the noise schedule, or (the last two) are constants that DiffTalk leaves at 0 and 1."""
_TRAINING_ONLY = (f"{FIRST_STAGE_PREFIX}loss.", f"{EMA_PREFIX}decay", f"{EMA_PREFIX}num_updates")


class CheckpointError(ValueError):
    """The file is no checkpoint that we can take over; the message says what is wrong with it."""


def import_checkpoint(path: Path, out: Path, *, square_px: int | None = None, use_ema: bool = True) -> Path:
    """Convert a checkpoint.

    Args:
        path: the .ckpt file.
        out: folder to write.
        square_px: edge of the face square; by default what makes the latent 64 x 64, as published.
        use_ema: take the UNet's moving average (as the original does when it samples) rather than its raw weights.

    Returns:
        `out`.

    Raises:
        CheckpointError: not readable, not of this layout, tensors missing, unknown or of the wrong shape.
    """
    state = read_state_dict(path)
    configuration = infer_configuration(state, square_px)
    denoiser, first_stage = Denoiser(configuration), build_first_stage(configuration.first_stage)

    unet = unet_names(denoiser.unet.state_dict(), configuration)
    name_of = ema_name if use_ema else UNET_PREFIX.__add__
    parts: list[tuple[nn.Module, dict[str, str]]] = [
        (denoiser.unet, {key: name_of(name) for key, name in unet.items()}),
        (denoiser.audio_encoder, audio_names(denoiser.audio_encoder.state_dict())),
        (denoiser.landmark_encoder, landmark_names(denoiser.landmark_encoder.state_dict())),
        (first_stage, first_stage_names(first_stage.state_dict(), configuration)),
    ]
    known = {name for _, names in parts for name in names.values()}
    known |= {other for name in unet.values() for other in (UNET_PREFIX + name, ema_name(name))}
    unknown = [name for name in state if name not in known | _SCHEDULE_BUFFERS and not name.startswith(_TRAINING_ONLY)]
    if unknown:
        raise CheckpointError(f"{path}: unknown tensors {_listed(unknown)}")
    for module, names in parts:
        _fill(module, names, state, path)
    _check_schedule(state, configuration, path)
    checkpoint.save(out, configuration, denoiser, first_stage)
    return out


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a checkpoint file, by name.

    Raises:
        CheckpointError: truncated, no checkpoint at all, or with objects in it that are not tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: no checkpoint, or holds objects other than tensors; nothing was run") from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as a checkpoint: {str(error).splitlines()[0]}") from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(f"{path}: has no 'state_dict' of tensors")
    return state


def infer_configuration(state: StateDict, square_px: int | None = None) -> DiffTalkConfiguration:
    """Sizes of the model, from the shapes of its tensors.

    Raises:
        CheckpointError: the tensors that tell are not there.
    """
    try:
        unet, first_stage = _infer_unet(state), _infer_first_stage(state)
        audio_features = state["cond_stage_model_for_audio.encoder_conv.0.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"not of the original layout: {error.args[0]} is missing") from error
    square_px = square_px or _LATENT_EDGE * first_stage.factor
    return DiffTalkConfiguration(
        name=f"imported-{square_px}",
        square_px=square_px,
        window=whole_square(square_px),
        unet=unet,
        first_stage=first_stage,
        schedule=NoiseSchedule(),
        audio_features=audio_features,
    )


def _infer_unet(state: StateDict) -> UNetConfiguration:
    """Walk the input blocks: a block with `op` halves the size and ends a level."""
    channels: list[int] = []
    attention: list[bool] = []
    layers, starts_level = 0, True
    number = 1
    while any((probe := f"{UNET_PREFIX}input_blocks.{number}.0.{kind}") in state for kind in _BLOCK_KINDS):
        if probe.endswith("op.weight"):
            starts_level = True
        else:
            if starts_level:
                channels.append(state[probe].shape[0])
                attention.append(f"{UNET_PREFIX}input_blocks.{number}.1.norm.weight" in state)
                starts_level, layers = False, 0
            layers += 1
        number += 1
    if not channels:
        raise KeyError(f"{UNET_PREFIX}input_blocks.1.0.{_BLOCK_KINDS[0]}")
    return UNetConfiguration(block_channels=tuple(channels), attention=tuple(attention), layers_per_block=layers)


_BLOCK_KINDS = ("out_layers.3.weight", "op.weight")


def _infer_first_stage(state: StateDict) -> FirstStageConfiguration:
    down = f"{FIRST_STAGE_PREFIX}encoder.down"
    channels: list[int] = []
    while (name := f"{down}.{len(channels)}.block.0.conv2.weight") in state:
        channels.append(state[name].shape[0])
    layers = 0
    while f"{down}.0.block.{layers}.conv2.weight" in state:
        layers += 1
    if not channels:
        raise KeyError(name)
    return FirstStageConfiguration(
        block_channels=tuple(channels),
        layers_per_block=layers,
        codes=state[f"{FIRST_STAGE_PREFIX}quantize.embedding.weight"].shape[0],
    )


def _fill(module: nn.Module, names: dict[str, str], state: StateDict, path: Path) -> None:
    """Load a module's tensors from their original names."""
    missing = [name for name in names.values() if name not in state]
    if missing:
        raise CheckpointError(f"{path}: missing tensors {_listed(missing)}")
    tensors = {}
    for key, target in module.state_dict().items():
        source = state[names[key]]
        linear_from_convolution = source.ndim == 4 and target.ndim == 2 and source.shape[2:] == (1, 1)
        tensor = source.flatten(1) if linear_from_convolution else source
        if tensor.shape != target.shape:
            raise CheckpointError(
                f"{path}: {names[key]} has shape {tuple(source.shape)}, {tuple(target.shape)} was expected"
            )
        tensors[key] = tensor.to(target.dtype)
    module.load_state_dict(tensors)


def _check_schedule(state: StateDict, configuration: DiffTalkConfiguration, path: Path) -> None:
    """A model trained on other noise levels would load without a word and make noise."""
    stored = state.get("betas")
    expected = checkpoint.build_scheduler(configuration.schedule).betas
    if stored is not None and (stored.shape != expected.shape or not torch.allclose(stored, expected, rtol=1e-4)):
        raise CheckpointError(f"{path}: its noise schedule is not DiffTalk's (0.0015 to 0.0195 in 1000 levels)")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
