"""Sizes read off a checkpoint's shapes; the names of the paper's full-size models."""

from functools import cache
from pathlib import Path

import pytest
import torch

from services.talkinghead.difftalk.configuration import BASE_256, BASE_512, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.infer_sizes import infer_configuration
from services.talkinghead.difftalk.original_file import OriginalCheckpoint
from services.talkinghead.difftalk.original_names import UNET_PREFIX, audio_names, first_stage_names, unet_names


@cache
def shapes_in_original_layout(configuration: DiffTalkConfiguration) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        denoiser, first_stage = Denoiser(configuration), build_first_stage(configuration.first_stage)
    unet, audio, pixels = (m.state_dict() for m in (denoiser.unet, denoiser.audio_encoder, first_stage))
    state = {UNET_PREFIX + name: unet[key] for key, name in unet_names(unet, configuration).items()}
    state |= {name: audio[key] for key, name in audio_names(audio).items()}
    state |= {name: pixels[key] for key, name in first_stage_names(pixels).items()}
    assert len(state) == len(unet) + len(audio) + len(pixels)  # no two share a name
    return state


@pytest.mark.parametrize("configuration", [BASE_256, BASE_512], ids=lambda base: base.name)
def test_base_models_are_recognised(configuration: DiffTalkConfiguration):
    state = shapes_in_original_layout(configuration)
    assert infer_configuration(OriginalCheckpoint(Path("base.ckpt"), state)) is configuration


def test_base_unet_has_the_originals_names():
    """Blocks of 256 x (1, 2, 3, 4) with two residual blocks a level, numbered through as the original does."""
    names = {n.removeprefix(UNET_PREFIX): tuple(t.shape) for n, t in shapes_in_original_layout(BASE_256).items()}
    assert names["input_blocks.0.0.weight"] == (256, 9, 3, 3)
    assert names["input_blocks.9.0.op.weight"] == (768, 768, 3, 3)
    assert names["input_blocks.11.1.transformer_blocks.0.attn2.to_k.weight"] == (1024, 128)
    assert names["middle_block.1.transformer_blocks.0.ff.net.0.proj.weight"] == (8192, 1024)
    assert names["output_blocks.0.0.in_layers.2.weight"] == (1024, 2048, 3, 3)
    assert names["output_blocks.8.2.conv.weight"] == (512, 512, 3, 3)
    assert names["output_blocks.11.0.skip_connection.weight"] == (256, 512, 1, 1)
    assert not any(name.startswith(("input_blocks.2.1.", "output_blocks.9.1.", "input_blocks.12.")) for name in names)
