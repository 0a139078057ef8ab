"""The tree finds what an exhaustive search finds."""

import pytest
import torch

from services.talkinghead.difftalk.codebook import Codebook
from services.talkinghead.difftalk.configuration import BASE_512, SMALL, FirstStageConfiguration
from services.talkinghead.difftalk.first_stage import build_first_stage, decode, decode_codes


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_it_finds_the_codes_that_an_exhaustive_search_finds():
    first_stage = build_first_stage(SMALL.first_stage)
    torch.nn.init.normal_(first_stage.quantize.embedding.weight, std=0.6)
    latents = 0.6 * torch.randn(3, 3, 12, 16)
    straight_through, _, _ = first_stage.quantize(latents)  # latent + (code - latent): rounded twice
    torch.testing.assert_close(Codebook(first_stage).nearest(latents), straight_through, rtol=0, atol=1e-6)


def test_one_batch_or_many_make_no_difference():
    codebook = Codebook(build_first_stage(SMALL.first_stage))
    latents = torch.randn(4, 3, 6, 8)
    assert torch.equal(codebook.nearest(latents)[2:3], codebook.nearest(latents[2:3]))


def test_what_is_quantised_decodes_as_if_the_first_stage_had_done_it():
    channels = (8,) * len(BASE_512.first_stage.block_channels)
    for configuration in (
        SMALL.first_stage,
        FirstStageConfiguration(channels, layers_per_block=1, codes=64, norm_groups=4),
    ):
        first_stage = build_first_stage(configuration).eval()
        latents = torch.randn(2, 3, 6, 8)
        with torch.no_grad():
            made = decode_codes(first_stage, Codebook(first_stage).nearest(latents))
            torch.testing.assert_close(made, decode(first_stage, latents), rtol=0, atol=1e-4)
