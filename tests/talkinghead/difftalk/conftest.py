"""The frozen results of the original code, and a tiny model of our own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.import_checkpoint import import_checkpoint
from services.talkinghead.difftalk.pipeline import DiffTalk

torch.set_num_threads(1)  # the models are tiny: more threads would wait for each other longer than they work

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def golden() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "expected.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored}


@pytest.fixture(scope="session")
def golden_checkpoint() -> Path:
    return GOLDEN / "checkpoint.ckpt"


@pytest.fixture(scope="session")
def imported(golden_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_checkpoint(golden_checkpoint, tmp_path_factory.mktemp("imported"), square_px=64).folder


@pytest.fixture(scope="session")
def tiny_model(tiny_configuration: DiffTalkConfiguration) -> DiffTalk:
    """Random weights, the last layers too, so that the model changes its drafts."""
    torch.manual_seed(0)
    denoiser, first_stage = Denoiser(tiny_configuration), build_first_stage(tiny_configuration.first_stage)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    torch.nn.init.normal_(first_stage.quantize.embedding.weight, std=0.5)
    return DiffTalk(tiny_configuration, denoiser, first_stage)


@pytest.fixture(scope="session")
def drafts() -> dict[str, np.ndarray]:
    """Eleven frames of noise with all that `refine` asks for."""
    rng = np.random.default_rng(0)
    return {
        "drafts": rng.integers(0, 256, (11, 128, 128, 3), dtype=np.uint8),
        "audio_windows": rng.random((11, 8, 16, 11), dtype=np.float32),
        "landmarks": 128 * rng.random((11, 68, 2), dtype=np.float32),
    }
