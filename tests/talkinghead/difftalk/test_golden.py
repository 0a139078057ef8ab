"""The same mathematics as the original code."""

from pathlib import Path

import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.first_stage import decode, encode
from services.talkinghead.difftalk.mask import hide_below_nose
from services.talkinghead.difftalk.sampler import KeptRegion, build_solver, denoise, noise_levels

NETWORK_TOLERANCE = 1e-4
SAMPLING_TOLERANCE = 1e-3

Golden = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def model(imported: Path):
    return checkpoint.load(imported)


def deviation(made: torch.Tensor, truth: torch.Tensor) -> float:
    """Largest error in units of the truth's standard deviation."""
    assert made.shape == truth.shape
    return float((made - truth).abs().max() / truth.std())


def images(golden: Golden, name: str) -> torch.Tensor:
    return golden[name].permute(0, 3, 1, 2)


@torch.no_grad()
def test_condition_encoders_agree(model, golden: Golden):
    _, denoiser, _ = model
    assert deviation(denoiser.audio_encoder(golden["audio_windows"]), golden["audio_context"]) < NETWORK_TOLERANCE
    assert deviation(denoiser.landmark_encoder(golden["landmarks68"]), golden["landmark_context"]) < NETWORK_TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("name", ["image", "reference", "masked"])
def test_first_stage_encoder_agrees(model, golden: Golden, name: str):
    _, _, first_stage = model
    assert deviation(encode(first_stage, images(golden, name)), golden[f"{name}_latent"]) < NETWORK_TOLERANCE


@torch.no_grad()
def test_first_stage_decoder_agrees(model, golden: Golden):
    _, _, first_stage = model
    made = decode(first_stage, golden["image_latent"])
    assert deviation(made, golden["image_reconstruction"]) < NETWORK_TOLERANCE


def test_masked_image_agrees(golden: Golden):
    made = hide_below_nose(images(golden, "image"), golden["landmarks68"])
    assert torch.equal(made, images(golden, "masked"))


@torch.no_grad()
def test_one_unet_call_agrees(model, golden: Golden):
    _, denoiser, _ = model
    made = denoiser(
        golden["noisy_latent"],
        golden["timestep"],
        golden["masked_latent"],
        golden["reference_latent"],
        denoiser.context(golden["audio_windows"], golden["landmarks68"]),
    )
    assert deviation(made, golden["predicted_noise"]) < NETWORK_TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("with_mask", [False, True], ids=["free", "inpainting"])
def test_sampling_agrees(model, golden: Golden, with_mask: bool):
    configuration, denoiser, first_stage = model
    levels = noise_levels(configuration.schedule, steps=10, strength=1.0)
    context = denoiser.context(golden["audio_windows"], golden["landmarks68"])
    kept = KeptRegion(golden["image_latent"], golden["keep_mask"], golden["step_noise"]) if with_mask else None

    made = denoise(
        lambda noisy, level: denoiser(noisy, level, golden["masked_latent"], golden["reference_latent"], context),
        build_solver(configuration.schedule, levels, "ddim"),
        golden["start_noise"],
        kept=kept,
    )

    assert levels == golden["ddim_timesteps"].flip(0).tolist()
    assert deviation(made, golden["inpainted_latent" if with_mask else "ddim_latent"]) < SAMPLING_TOLERANCE
    if with_mask:
        assert deviation(decode(first_stage, made), golden["inpainted_image"]) < SAMPLING_TOLERANCE
