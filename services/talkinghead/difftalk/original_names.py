"""What our tensors are called in a checkpoint of the original layout (CompVis Latent Diffusion, as DiffTalk uses it).

The map is one to one, so it serves import and export alike. Only shapes of the first stage's middle attention differ:
1x1 convolutions there, linear layers here.
"""

import re
from collections.abc import Iterable

from torch import Tensor

from services.talkinghead.difftalk.configuration import DiffTalkConfiguration

UNET_PREFIX = "model.diffusion_model."
EMA_PREFIX = "model_ema."
FIRST_STAGE_PREFIX = "first_stage_model."
_WINDOW_ENCODER = "cond_stage_model_for_audio."
_TEMPORAL_ATTENTION = "cond_stage_model_for_audio_smooth."
_LANDMARK_ENCODER = "cond_stage_model_for_ldm."
PART_PREFIXES = ("model.", EMA_PREFIX, FIRST_STAGE_PREFIX, _WINDOW_ENCODER, _TEMPORAL_ATTENTION, _LANDMARK_ENCODER)
"""Of the modules that we have, too."""

_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_FIRST_STAGE_PARTS = (
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0\.conv", r"down.\1.downsample.conv"),
    (r"up_blocks\.(\d+)\.resnets", r"up.\1.block"),
    (r"up_blocks\.(\d+)\.upsamplers\.0\.conv", r"up.\1.upsample.conv"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)
_CONVOLUTION_THERE = re.compile(r"mid\.attn_1\.(q|k|v|proj_out)\.weight$")


def unet_names(keys: Iterable[str], configuration: DiffTalkConfiguration) -> dict[str, str]:
    """Our UNet's keys -> the original's, without its prefix."""
    modules = _unet_modules(configuration)
    return {key: _rename_unet_key(key, modules) for key in keys}


def first_stage_names(keys: Iterable[str]) -> dict[str, str]:
    """Our first stage's keys -> the original's, with prefix. The original counts the decoder's levels backwards."""
    keys = list(keys)
    last = max(int(level) for level in re.findall(r"up_blocks\.(\d+)", " ".join(keys)))
    names = {}
    for key in keys:
        name = re.sub(r"up_blocks\.(\d+)", lambda level: f"up_blocks.{last - int(level[1])}", key)
        for pattern, replacement in _FIRST_STAGE_PARTS:
            name = re.sub(pattern, replacement, name)
        names[key] = FIRST_STAGE_PREFIX + name
    return names


def audio_names(keys: Iterable[str]) -> dict[str, str]:
    """Our audio encoder's keys -> the original's, with prefix."""
    parts = {
        "window_encoder.convolutions": f"{_WINDOW_ENCODER}encoder_conv",
        "window_encoder.projection": f"{_WINDOW_ENCODER}encoder_fc1",
        "temporal_attention.convolutions": f"{_TEMPORAL_ATTENTION}attentionConvNet",
        "temporal_attention.scores": f"{_TEMPORAL_ATTENTION}attentionNet.0",
    }
    return {key: _replace_start(key, parts) for key in keys}


def landmark_names(keys: Iterable[str]) -> dict[str, str]:
    """Our landmark encoder's keys -> the original's, with prefix."""
    return {key: _replace_start(key, {"layers": f"{_LANDMARK_ENCODER}encoder_fc1"}) for key in keys}


def ema_name(unet_name: str) -> str:
    """Where the moving average of a UNet tensor (its original name, without prefix) is stored: without any dots."""
    return EMA_PREFIX + f"diffusion_model.{unet_name}".replace(".", "")


def as_original(name: str, tensor: Tensor) -> Tensor:
    """One of our tensors, shaped as the original has it under this name."""
    return tensor[:, :, None, None] if tensor.ndim == 2 and _CONVOLUTION_THERE.search(name) else tensor


def as_ours(name: str, tensor: Tensor) -> Tensor:
    """The inverse of `as_original`; what has another shape than it should stays as it is."""
    pointwise = tensor.ndim == 4 and tensor.shape[2:] == (1, 1)
    return tensor[:, :, 0, 0] if pointwise and _CONVOLUTION_THERE.search(name) else tensor


def _unet_modules(configuration: DiffTalkConfiguration) -> dict[str, str]:
    """Our module -> the original's, which numbers input and output blocks right through all levels."""
    attends, layers = configuration.unet.attention, configuration.unet.layers_per_block
    levels = len(attends)
    modules = dict(_UNET_ENDS)
    number = 1
    for level in range(levels):
        for layer in range(layers):
            modules[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{number}.0"
            modules[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
        number += 1
    number = 0
    for level in range(levels):
        place = 2 if attends[levels - 1 - level] else 1  # of the upsampler, behind the attention if there is one
        for layer in range(layers + 1):
            modules[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{number}.0"
            modules[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        modules[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{place}.conv"
    return modules


def _rename_unet_key(key: str, modules: dict[str, str]) -> str:
    module = next(module for module in modules if key.startswith(module + "."))
    rest = key[len(module) + 1 :]
    if ".resnets." in module:
        rest = _replace_start(rest, _UNET_RESNET)
    return f"{modules[module]}.{rest}"


def _replace_start(key: str, parts: dict[str, str]) -> str:
    start = next(part for part in parts if key.startswith(part + "."))
    return parts[start] + key[len(start) :]
