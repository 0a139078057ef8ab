"""The sizes of a model in the original layout, read off the shapes of its tensors.

What shapes do not tell (32 channels per head, 32 norm groups, the noise schedule) is DiffTalk's.
"""

from dataclasses import replace

from torch import Tensor

from services.talkinghead.difftalk.configuration import (
    CONFIGURATIONS,
    DiffTalkConfiguration,
    FirstStageConfiguration,
    NoiseSchedule,
    UNetConfiguration,
    whole_square,
)
from services.talkinghead.difftalk.original_file import OriginalCheckpoint
from services.talkinghead.difftalk.original_names import FIRST_STAGE_PREFIX, UNET_PREFIX

_LATENT_EDGE = 64  # of the published sizes: 256 px with f = 4, 512 px with f = 8
_AUDIO = "cond_stage_model_for_audio.encoder_conv.0.weight"
_RESNET, _DOWNSAMPLER = "out_layers.3.weight", "op.weight"


def infer_configuration(original: OriginalCheckpoint, square_px: int | None = None) -> DiffTalkConfiguration:
    """Sizes of the model.

    Args:
        original: the checkpoint.
        square_px: edge of the face square; by default what makes the latent 64 x 64, as published.

    Raises:
        CheckpointError: a tensor that tells is not there, or has too few dimensions to tell.
    """
    try:
        unet, first_stage = _infer_unet(original.state), _infer_first_stage(original.state)
        audio_features = _size(original.state, _AUDIO, 1)
    except KeyError as error:
        raise original.error(f"not of the original layout: {error.args[0]} is missing or no weight") from error
    square_px = square_px or _LATENT_EDGE * first_stage.factor
    found = DiffTalkConfiguration(
        name=f"imported-{square_px}",
        square_px=square_px,
        window=whole_square(square_px),
        unet=unet,
        first_stage=first_stage,
        schedule=NoiseSchedule(),
        audio_features=audio_features,
    )
    return next((known for known in CONFIGURATIONS.values() if replace(found, name=known.name) == known), found)


def _size(state: dict[str, Tensor], name: str, axis: int) -> int:
    if state[name].ndim <= axis or state[name].shape[axis] == 0:
        raise KeyError(name)
    return state[name].shape[axis]


def _infer_unet(state: dict[str, Tensor]) -> UNetConfiguration:
    """Walk the input blocks: a block that only downsamples ends a level."""
    channels: list[int] = []
    attention: list[bool] = []
    layers, starts_level = 0, True
    number = 1
    while any((probe := f"{UNET_PREFIX}input_blocks.{number}.0.{kind}") in state for kind in (_RESNET, _DOWNSAMPLER)):
        if probe.endswith(_DOWNSAMPLER):
            starts_level = True
        else:
            if starts_level:
                channels.append(_size(state, probe, 0))
                attention.append(f"{UNET_PREFIX}input_blocks.{number}.1.norm.weight" in state)
                starts_level, layers = False, 0
            layers += 1
        number += 1
    if not channels:
        raise KeyError(f"{UNET_PREFIX}input_blocks.1.0.{_RESNET}")
    return UNetConfiguration(block_channels=tuple(channels), attention=tuple(attention), layers_per_block=layers)


def _infer_first_stage(state: dict[str, Tensor]) -> FirstStageConfiguration:
    down = f"{FIRST_STAGE_PREFIX}encoder.down"
    channels: list[int] = []
    while (name := f"{down}.{len(channels)}.block.0.conv2.weight") in state:
        channels.append(_size(state, name, 0))
    layers = 0
    while f"{down}.0.block.{layers}.conv2.weight" in state:
        layers += 1
    if not channels:
        raise KeyError(name)
    return FirstStageConfiguration(
        block_channels=tuple(channels),
        layers_per_block=layers,
        codes=_size(state, f"{FIRST_STAGE_PREFIX}quantize.embedding.weight", 0),
    )
