"""The sizes of the paper's models, and what they cost."""

import pytest

from services.talkinghead.difftalk.configuration import (
    BASE_256,
    BASE_512,
    CONFIGURATIONS,
    SMALL,
    DiffTalkConfiguration,
)
from services.talkinghead.difftalk.cost import cost
from services.talkinghead.difftalk.denoiser import Denoiser

BASES = pytest.mark.parametrize("configuration", [BASE_256, BASE_512], ids=lambda base: base.name)


def test_configurations_are_found_by_name():
    assert set(CONFIGURATIONS) == {"small", "base-256", "base-512"}


@BASES
def test_base_latent_is_64_by_64(configuration: DiffTalkConfiguration):
    factor = configuration.first_stage.factor
    assert factor == configuration.square_px // 64
    assert (configuration.window.height // factor, configuration.window.width // factor) == (64, 64)


@BASES
def test_base_unet_has_the_papers_sizes(configuration: DiffTalkConfiguration):
    unet = configuration.unet
    assert unet.block_channels == (256, 512, 768, 1024)
    assert [2**level for level, attends in enumerate(unet.attention) if attends] == [2, 4, 8]
    assert (unet.head_channels, unet.layers_per_block, configuration.first_stage.codes) == (32, 2, 8192)


def test_cost_of_base_256():
    found = cost(BASE_256)
    assert found.unet_parameters == 530_152_963
    assert found.first_stage_parameters == 55_322_782
    assert found.flops_per_unet_call == pytest.approx(343e9, rel=0.01)


def test_cost_of_small_counts_what_is_really_there():
    denoiser = Denoiser(SMALL)
    found = cost(SMALL)
    assert found.unet_parameters + found.condition_parameters == sum(p.numel() for p in denoiser.parameters())
    first_layer = 2 * 9 * (9 * 32) * (24 * 32)  # multiply and add, 3x3, 9 -> 32 channels, of every latent cell
    assert 100 * first_layer < found.flops_per_unet_call < 1e9
