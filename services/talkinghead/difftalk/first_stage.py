"""The first stage: pixels <-> latents (Latent Diffusion, arXiv 2112.10752, section 3.1, the VQ variant)."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from diffusers import VQModel
from torch import Tensor

from services.talkinghead.difftalk.configuration import (
    LATENT_CHANNELS,
    FirstStageConfiguration,
    PatchFirstStageConfiguration,
)
from services.talkinghead.difftalk.patch_autoencoder import PatchVQModel

FirstStage: TypeAlias = VQModel | PatchVQModel


def build_first_stage(configuration: FirstStageConfiguration | PatchFirstStageConfiguration) -> FirstStage:
    """An untrained autoencoder."""
    if isinstance(configuration, PatchFirstStageConfiguration):
        return PatchVQModel(
            configuration.factor, configuration.channels, configuration.blocks, num_vq_embeddings=configuration.codes
        )
    blocks = len(configuration.block_channels)
    return VQModel(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=configuration.block_channels,
        layers_per_block=configuration.layers_per_block,
        latent_channels=LATENT_CHANNELS,
        num_vq_embeddings=configuration.codes,
        norm_num_groups=configuration.norm_groups,
        mid_block_add_attention=configuration.middle_attention,
        scaling_factor=1.0,
    )


def to_model_range(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Pixels (B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float() / 127.5 - 1.0


def encode(first_stage: FirstStage, images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] -> latents (B, 3, H/f, W/f), before quantisation."""
    latents: Tensor = first_stage.encode(images.to(_weight(first_stage))).latents
    return latents.to(images)


def decode(first_stage: FirstStage, latents: Tensor) -> Tensor:
    """Latents (B, 3, h, w) -> quantised -> images (B, 3, h*f, w*f), about [-1, 1], not clipped."""
    images: Tensor = first_stage.decode(latents.to(_weight(first_stage))).sample
    return images.to(latents)


def decode_codes(first_stage: FirstStage, codes: Tensor) -> Tensor:
    """Latents (B, 3, h, w) that are quantised already -> images, as `decode` makes them."""
    images: Tensor = first_stage.decode(codes.to(_weight(first_stage)), force_not_quantize=True).sample
    return images.to(codes)


def _weight(first_stage: FirstStage) -> Tensor:
    """Tells by device and precision how the first stage is run; the calls above take and give the caller's."""
    weight: Tensor = next(first_stage.parameters())
    return weight
