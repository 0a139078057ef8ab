from pathlib import Path

import numpy as np
import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage, build_first_stage
from services.talkinghead.evaluation.variants import WALKS
from services.talkinghead.footage.shard import Footage
from services.talkinghead.training.variants import Errors, Example, measured, rows


@pytest.fixture
def first_stage(tiny_configuration: DiffTalkConfiguration) -> FirstStage:
    torch.manual_seed(0)
    first_stage = build_first_stage(tiny_configuration.first_stage).eval()
    torch.nn.init.normal_(first_stage.quantize.embedding.weight)
    return first_stage


def test_the_truth_has_no_error_and_drafts_have(
    footage: Path, tiny_configuration: DiffTalkConfiguration, first_stage: FirstStage
):
    errors = Errors(tiny_configuration, first_stage)
    example = Example.of(Footage(footage, "test")[0], 0, tiny_configuration)
    assert example.inside.any()
    assert errors.of(example.truths, example).tolist() == [0, 0, 0]
    assert (errors.of(example.drafts, example) > 0).all()


def test_every_variant_is_measured_on_everybody(
    footage: Path, tiny_configuration: DiffTalkConfiguration, first_stage: FirstStage, tmp_path: Path
):
    denoiser = Denoiser(tiny_configuration)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)  # what goes in shows in what comes out
    checkpoint.save_whole(tmp_path / "model", tiny_configuration, denoiser, first_stage)
    people, found = measured(tmp_path / "model", footage)
    assert people == 2
    assert set(WALKS) < set(found)
    assert len(found) == len(WALKS) + 3
    assert all(np.isfinite(each).all() for each in found.values())
    assert not np.array_equal(found["draft alone"], found["1 step"])
    assert sum(row.count("|") == 5 for row in rows(found)) == len(found)
