"""A checkpoint of the original layout -> our folder of safetensors and JSON."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration, SpeechFeatures
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, build_first_stage
from services.talkinghead.difftalk.infer_sizes import infer_configuration
from services.talkinghead.difftalk.original_file import OriginalCheckpoint, listed, read_original
from services.talkinghead.difftalk.original_names import (
    EMA_PREFIX,
    FIRST_STAGE_PREFIX,
    PART_PREFIXES,
    UNET_PREFIX,
    as_ours,
    audio_names,
    ema_name,
    first_stage_names,
    landmark_names,
    unet_names,
)
from services.talkinghead.difftalk.remainder import Remainder, Weights
from services.talkinghead.difftalk.sampler import build_scheduler
from services.talkinghead.speech.features.load import copy_encoder, values_of

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


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    folder: Path
    configuration: DiffTalkConfiguration
    weights: Weights
    parameters: int
    """Of all parts together."""
    global_step: int
    unknown: list[str]
    """Tensors of modules that DiffTalk has not: not used, but kept for export."""


def import_checkpoint(
    path: Path,
    out: Path,
    *,
    square_px: int | None = None,
    use_ema: bool = True,
    speech_features: SpeechFeatures = "deepspeech",
    speech_encoder: Path | None = None,
) -> Imported:
    """Convert a checkpoint.

    Args:
        path: the .ckpt file.
        out: folder to write.
        square_px: edge of the face square; by default what makes the latent 64 x 64, as published.
        speech_features: what the model was trained to hear; no checkpoint tells.
        speech_encoder: folder of the speech network that makes them (`wav2vec2`, `whisper`), copied into `out`.
        use_ema: take the UNet's moving average (as the original does when it samples) rather than its raw weights.

    Raises:
        CheckpointError: not readable, not of this layout, tensors missing, of the wrong shape, or unknown in a module
            that we know: that module then computes something else than ours. Or the speech features do not fit.
        OSError: `path` cannot be read or `out` cannot be written.
    """
    # 1. Read and measure; nothing is written before all is checked
    original = read_original(path)
    configuration = replace(infer_configuration(original, square_px), speech_features=speech_features)
    _check_features(original, configuration, speech_encoder)
    _check_schedule(original, configuration)
    denoiser, first_stage = _build_empty(original, configuration)

    # 2. Whose tensor is which
    unet = unet_names(denoiser.unet.state_dict(), configuration)
    raw = {key: UNET_PREFIX + name for key, name in unet.items()}
    average = {key: ema_name(name) for key, name in unet.items()}
    if use_ema and not any(name in original.state for name in average.values()):
        raise original.error("holds no moving average (model_ema.*); its raw weights can be imported instead")
    parts: list[tuple[nn.Module, dict[str, str]]] = [
        (denoiser.unet, average if use_ema else raw),
        (denoiser.audio_encoder, audio_names(denoiser.audio_encoder.state_dict())),
        (denoiser.landmark_encoder, landmark_names(denoiser.landmark_encoder.state_dict())),
        (first_stage, first_stage_names(first_stage.state_dict())),
    ]
    known = {name for _, names in parts for name in names.values()} | {*raw.values(), *average.values()}
    unknown = [n for n in original.state if n not in known | _SCHEDULE_BUFFERS and not n.startswith(_TRAINING_ONLY)]
    unknown_inside = [name for name in unknown if name.startswith(PART_PREFIXES)]
    if unknown_inside:
        raise original.error(f"unknown tensors {listed(unknown_inside)}")

    # 3. Fill the parts; what is left over is the remainder
    for module, names in parts:
        _fill(module, names, original)
    weights: Weights = "ema" if use_ema else "raw"
    out.mkdir(parents=True, exist_ok=True)
    Remainder(original.state, weights, original.global_step).save(out)
    checkpoint.save(out, configuration, denoiser, first_stage)
    if speech_encoder is not None:
        copy_encoder(speech_encoder, out)
    parameters = sum(tensor.numel() for module, _ in parts for tensor in module.parameters())
    return Imported(out, configuration, weights, parameters, original.global_step, unknown)


def _build_empty(original: OriginalCheckpoint, configuration: DiffTalkConfiguration) -> tuple[Denoiser, FirstStage]:
    """Modules without memory: a file's shapes alone must not make us allocate anything."""
    try:
        with torch.device("meta"):
            return Denoiser(configuration), build_first_stage(configuration.first_stage)
    except (ValueError, RuntimeError, ZeroDivisionError, IndexError) as error:
        sizes = f"UNet {configuration.unet.block_channels}, first stage {configuration.first_stage}"
        raise original.error(f"no DiffTalk model has the sizes of its tensors: {sizes}") from error


def _fill(module: nn.Module, names: dict[str, str], original: OriginalCheckpoint) -> None:
    """Move a module's tensors out of the checkpoint."""
    missing = [name for name in names.values() if name not in original.state]
    if missing:
        raise original.error(f"missing tensors {listed(missing)}")
    tensors = {}
    for key, target in module.state_dict().items():
        name = names[key]
        stored = original.state.pop(name)
        tensor = as_ours(name, stored)
        if tensor.shape != target.shape or not tensor.is_floating_point():
            raise original.error(
                f"{name} has shape {tuple(stored.shape)} of {stored.dtype}, {tuple(target.shape)} was expected"
            )
        tensors[key] = tensor.to(target.dtype, copy=True, memory_format=torch.contiguous_format)
    module.load_state_dict(tensors, assign=True)


def _check_features(original: OriginalCheckpoint, configuration: DiffTalkConfiguration, encoder: Path | None) -> None:
    kind = configuration.speech_features
    try:
        values = values_of(kind, encoder)
    except ValueError as error:
        raise original.error(str(error)) from error
    if values != configuration.audio_features:
        raise original.error(
            f"it reads speech features of {configuration.audio_features} values, {kind!r} has {values}: "
            "say which it was trained with"
        )


def _check_schedule(original: OriginalCheckpoint, configuration: DiffTalkConfiguration) -> None:
    """A model trained on other noise levels or scaled latents would load without a word and make noise."""
    betas, scale = original.state.get("betas"), original.state.get("scale_factor")
    expected = build_scheduler(configuration.schedule).betas
    if betas is not None and (betas.shape != expected.shape or not torch.allclose(betas.float(), expected, rtol=1e-4)):
        raise original.error("its noise schedule is not DiffTalk's (0.0015 to 0.0195 in 1000 levels)")
    if scale is not None and not bool((scale == 1.0).all()):
        raise original.error("it scales its latents (scale_factor is not 1), which DiffTalk does not")
