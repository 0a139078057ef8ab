import numpy as np
import pytest
import torch

from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.training.first_stage import (
    Schedule,
    load_frames,
    psnr_db,
    reconstruction_loss,
    sample_crops,
    set_codebook_by_kmeans,
    train,
    window_of,
)


def test_crops_have_the_window_s_size_and_the_model_s_range(clips, tiny_configuration):
    frames = load_frames(clips / "train")
    crops = sample_crops(frames, 5, tiny_configuration, np.random.default_rng(0))
    assert crops.shape == (5, 3, tiny_configuration.window.height, tiny_configuration.window.width)
    assert crops.abs().max() <= 1


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no clips"):
        load_frames(tmp_path)


def test_loss_falls_within_a_few_steps(clips, tiny_configuration):
    torch.manual_seed(0)
    first_stage = build_first_stage(tiny_configuration.first_stage)
    optimiser = torch.optim.AdamW(first_stage.parameters(), 3e-3)
    crops = sample_crops(load_frames(clips / "train"), 8, tiny_configuration, np.random.default_rng(0))
    crops = torch.nn.functional.avg_pool2d(crops, 3, 1, 1)  # the drawing's noise cannot be learnt
    losses = []
    for _ in range(60):
        made = first_stage.decode(first_stage.encode(crops).latents, force_not_quantize=True).sample
        loss = reconstruction_loss(made, crops)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_codes_lie_where_the_latents_are(tiny_configuration):
    torch.manual_seed(0)
    first_stage = build_first_stage(tiny_configuration.first_stage)
    centres = torch.randn(64, 3)
    latents = centres.repeat(20, 1) + 0.01 * torch.randn(64 * 20, 3)
    set_codebook_by_kmeans(first_stage, latents)
    nearest = torch.cdist(latents, first_stage.quantize.embedding.weight).min(1).values
    assert nearest.mean() < 0.2


def test_a_short_run_writes_a_model_that_reconstructs(clips, tmp_path, tiny_configuration, capsys):
    first_stage = train(clips, tmp_path, Schedule(minutes=0.03), tiny_configuration)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    assert "held-out window PSNR" in capsys.readouterr().out
    assert psnr_db(first_stage, window_of(load_frames(clips / "test", every=4), tiny_configuration)) > 15
