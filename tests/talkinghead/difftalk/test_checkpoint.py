import resource
from pathlib import Path

import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage


def save(folder: Path, configuration: DiffTalkConfiguration, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    denoiser = Denoiser(configuration)
    checkpoint.save_whole(folder, configuration, denoiser, build_first_stage(configuration.first_stage))
    return denoiser.unet.conv_in.weight.detach()


def test_a_model_takes_the_place_of_the_one_before(tmp_path: Path, tiny_configuration: DiffTalkConfiguration):
    folder = tmp_path / "model"
    save(folder, tiny_configuration, 0)
    weight = save(folder, tiny_configuration, 1)
    _, denoiser, _ = checkpoint.load(folder)
    assert torch.equal(denoiser.unet.conv_in.weight, weight)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_on_a_full_disk_the_model_before_stays_whole(tmp_path: Path, tiny_configuration: DiffTalkConfiguration):
    folder = tmp_path / "model"
    weight = save(folder, tiny_configuration, 0)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, most))  # the UNet's file is larger
    try:
        with pytest.raises(OSError, match=f"{folder} cannot be written: "):
            save(folder, tiny_configuration, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    _, denoiser, _ = checkpoint.load(folder)
    assert torch.equal(denoiser.unet.conv_in.weight, weight)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
