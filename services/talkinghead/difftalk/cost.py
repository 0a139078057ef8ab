"""What a model costs: parameters, and arithmetic per UNet call. Nothing is computed: tensors have shapes only."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from services.talkinghead.difftalk.configuration import CONDITION_CHANNELS, LATENT_CHANNELS, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage


@dataclass(frozen=True)
class Cost:
    """Of one configuration."""

    unet_parameters: int
    condition_parameters: int
    """Audio and landmark encoder."""
    first_stage_parameters: int
    flops_per_unet_call: int
    """For one frame: multiplications and additions of convolutions, matrix products and attention, each counted."""


def cost(configuration: DiffTalkConfiguration) -> Cost:
    """Count a model of a configuration, without making it."""
    window, factor = configuration.window, configuration.first_stage.factor
    with torch.device("meta"), torch.no_grad():
        denoiser, first_stage = Denoiser(configuration), build_first_stage(configuration.first_stage)
        latent = torch.empty(1, LATENT_CHANNELS, window.height // factor, window.width // factor)
        with FlopCounterMode(display=False) as counter:
            denoiser(latent, 0, latent, latent, torch.empty(1, 1, 2 * CONDITION_CHANNELS))
    unet = _parameters(denoiser.unet)
    return Cost(
        unet_parameters=unet,
        condition_parameters=_parameters(denoiser) - unet,
        first_stage_parameters=_parameters(first_stage),
        flops_per_unet_call=counter.get_total_flops(),
    )


def _parameters(module: nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.parameters())
