"""Refining drafts: what may change, what may not, and on what it depends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.batches import MICRO_BATCH
from services.talkinghead.difftalk.configuration import BASE_256, DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.mask import soft_mask
from services.talkinghead.difftalk.pipeline import DiffTalk

Drafts = dict[str, np.ndarray]


def refine(model: DiffTalk, frames: Drafts, chosen: slice = slice(None), seed: int = 1, **options: Any) -> np.ndarray:
    source = model.encode_source(frames["drafts"][0], frames["landmarks"][0])
    part = {name: values[chosen] for name, values in frames.items()}
    return model.refine(source, **part, steps=options.pop("steps", 2), seed=seed, **options)


def test_change_is_bounded_and_zero_outside_the_mask(tiny_model: DiffTalk, drafts: Drafts):
    change = refine(tiny_model, drafts)
    window = tiny_model.configuration.window
    outside = np.ones((128, 128), bool)
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    outside[rows, columns] = soft_mask(window) == 0
    assert change.shape == drafts["drafts"].shape
    assert change.dtype == np.float32
    assert (change[:, outside] == 0).all()
    assert 0 < np.abs(change).max() <= 255


def test_samplers_differ_but_agree_nearly(tiny_model: DiffTalk, drafts: Drafts):
    ddim = refine(tiny_model, drafts, slice(1), steps=3)
    dpm = refine(tiny_model, drafts, slice(1), steps=3, sampler="dpm-solver++")
    assert not np.array_equal(ddim, dpm)
    assert np.abs(ddim - dpm).mean() < 0.5 * np.abs(ddim).mean()


def test_same_seed_same_result_other_seed_another(tiny_model: DiffTalk, drafts: Drafts):
    first = refine(tiny_model, drafts)
    assert np.array_equal(first, refine(tiny_model, drafts))
    assert not np.array_equal(first, refine(tiny_model, drafts, seed=2))


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(3, 6), slice(MICRO_BATCH - 1, MICRO_BATCH + 2)])
def test_frame_does_not_depend_on_its_neighbours(tiny_model: DiffTalk, drafts: Drafts, chosen: slice):
    assert np.array_equal(refine(tiny_model, drafts)[chosen], refine(tiny_model, drafts, chosen))


def test_steps_are_counted_over_all_batches_and_can_be_canceled(tiny_model: DiffTalk, drafts: Drafts):
    seen: list[tuple[int, int]] = []

    def watch(done: int, of: int) -> None:
        seen.append((done, of))
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        refine(tiny_model, drafts, on_step=watch)
    assert seen == [(1, 6), (2, 6), (3, 6)]


def test_untrained_model_leaves_its_drafts_alone(tiny_configuration: DiffTalkConfiguration, drafts: Drafts):
    model = DiffTalk(
        tiny_configuration, Denoiser(tiny_configuration), build_first_stage(tiny_configuration.first_stage)
    )
    assert np.abs(refine(model, drafts)).max() < 1e-3


def test_frame_counts_must_agree(tiny_model: DiffTalk, drafts: Drafts):
    with pytest.raises(ValueError, match="must agree"):
        refine(tiny_model, {**drafts, "landmarks": drafts["landmarks"][:3]})


def test_model_that_refines_no_drafts_is_refused(tiny_configuration: DiffTalkConfiguration):
    first_stage = build_first_stage(tiny_configuration.first_stage)
    with pytest.raises(ValueError, match="base-256"):
        DiffTalk(BASE_256, Denoiser(tiny_configuration), first_stage)


def test_saved_and_loaded_model_computes_the_same(tiny_model: DiffTalk, drafts: Drafts, tmp_path: Path):
    checkpoint.save(tmp_path, tiny_model.configuration, tiny_model._denoiser, tiny_model._first_stage)
    loaded = DiffTalk.load(tmp_path)
    assert loaded.configuration == tiny_model.configuration
    assert np.array_equal(refine(loaded, drafts), refine(tiny_model, drafts))


def test_half_precision_on_disk_leaves_the_model_in_memory_alone(tiny_model: DiffTalk, tmp_path: Path):
    before = tiny_model._denoiser.unet.conv_in.weight.clone()
    checkpoint.save(
        tmp_path, tiny_model.configuration, tiny_model._denoiser, tiny_model._first_stage, dtype=torch.float16
    )
    _, denoiser, _ = checkpoint.load(tmp_path)
    assert torch.equal(tiny_model._denoiser.unet.conv_in.weight, before)
    assert denoiser.unet.conv_in.weight.dtype == torch.float32
    assert torch.allclose(denoiser.unet.conv_in.weight, before, atol=1e-3)


def test_missing_part_is_named(tiny_model: DiffTalk, tmp_path: Path):
    checkpoint.save(tmp_path, tiny_model.configuration, tiny_model._denoiser, tiny_model._first_stage)
    (tmp_path / "landmark_encoder" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="landmark_encoder"):
        DiffTalk.load(tmp_path)
