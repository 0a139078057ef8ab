from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from services.talkinghead.difftalk.configuration import SMALL, DiffTalkConfiguration, whole_square
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.mask import soft_mask
from services.talkinghead.difftalk.sampler import build_scheduler
from services.talkinghead.sync.expert import SyncExpert
from services.talkinghead.training.clips import Parts
from services.talkinghead.training.configuration import DenoiserSettings, TrainingConfiguration
from services.talkinghead.training.denoiser import (
    DenoiserTraining,
    Frames,
    frames_in_a_row,
    min_snr_weights,
    weight_map,
)
from services.talkinghead.training.film import film_of


@pytest.fixture
def settings(configuration: TrainingConfiguration) -> DenoiserSettings:
    return configuration.denoiser


@pytest.fixture
def paper(published_configuration: DiffTalkConfiguration) -> DiffTalkConfiguration:
    """A narrow model of the paper's kind for squares of 128 px that hears the actions of the drawn clips."""
    return replace(
        published_configuration,
        square_px=128,
        window=whole_square(128),
        audio_features=11,
        speech_features="actions",
    )


def frames(footage: Path, sizes: DiffTalkConfiguration, settings: DenoiserSettings, **change: Any) -> Frames:
    settings = settings.model_copy(update=change)
    parts = Parts.of(footage, square_px=128, in_a_row=frames_in_a_row(settings))
    return Frames(parts.train, sizes, settings, seed=0)


def training(footage: Path, sizes: DiffTalkConfiguration, settings: DenoiserSettings) -> DenoiserTraining:
    torch.manual_seed(0)
    return DenoiserTraining(
        sizes,
        settings,
        Parts.of(footage, square_px=128, in_a_row=frames_in_a_row(settings)),
        denoiser=Denoiser(sizes),
        first_stage=build_first_stage(sizes.first_stage),
        expert=SyncExpert() if settings.sync_weight > 0 else None,
        weights_as="float32",
        seed=0,
    )


def test_an_example_is_five_frames_their_drafts_and_their_sound(
    footage: Path, tiny_configuration: DiffTalkConfiguration, settings: DenoiserSettings
):
    item = frames(footage, tiny_configuration, settings)[3]
    for name in ("targets", "references", "masked"):
        assert item[name].shape == (5, 3, 48, 64)
        assert item[name].abs().max() <= 1
    assert item["audio"].shape == (5, 8, 16, 11)
    assert item["landmarks"].shape == (5, 68, 2)
    assert item["noise"].shape == (3, 24, 32)
    assert item["sound"].shape == (80, 20)
    made = torch.from_numpy(soft_mask(SMALL.window) > 0)
    assert (item["masked"][..., made] == -1).all()


def test_a_draft_is_nearer_to_its_frame_than_another_frame_is(
    footage: Path, paper: DiffTalkConfiguration, settings: DenoiserSettings
):
    def error(draft: bool) -> float:
        examples = frames(footage, paper, settings, draft=draft)
        items = [examples[number] for number in range(12)]
        mouths = [(item["targets"] - item["references"])[..., 80:104, 48:80] for item in items]
        return float(np.mean([mouth.square().mean() for mouth in mouths]))

    assert error(True) < 0.8 * error(False)


def test_the_paper_s_way_hides_the_target_below_the_nose_and_takes_another_frame(
    footage: Path, paper: DiffTalkConfiguration, settings: DenoiserSettings
):
    item = frames(footage, paper, settings, draft=False, sync_weight=0)[1]
    assert item["targets"].shape == (1, 3, 128, 128)
    assert (item["masked"][..., 80:, :] == -1).all()
    assert torch.equal(item["masked"][..., :70, :], item["targets"][..., :70, :])
    assert "sound" not in item


def test_some_examples_hear_nothing(
    footage: Path, tiny_configuration: DiffTalkConfiguration, settings: DenoiserSettings
):
    examples = frames(footage, tiny_configuration, settings, audio_dropout=0.5)
    deaf = [not examples[number]["audio"].any() for number in range(16)]
    assert 2 < sum(deaf) < 14
    assert not any(
        not frames(footage, tiny_configuration, settings, audio_dropout=0)[n]["audio"].any() for n in range(8)
    )


@pytest.mark.parametrize("draft", [True, False])
def test_the_paper_s_model_learns_either_way(
    footage: Path, paper: DiffTalkConfiguration, settings: DenoiserSettings, draft: bool
):
    stage = training(footage, paper, settings.model_copy(update={"draft": draft, "snr_gamma": 5.0}))
    batch = default_collate([stage.examples[number] for number in range(2)])
    batch["level"] = torch.tensor([0.1, 0.9])
    losses = stage.losses("denoiser", stage.learning, batch, 0)
    assert losses.keys() == {"noise", "sync"}
    sum(losses.values()).backward()
    network = stage.denoiser
    for part in (
        network.unet.conv_in,
        network.audio_encoder.window_encoder.projection[0],
        network.landmark_encoder.layers[0],
    ):
        assert part.weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert {"reference", "made", "wrong_sound"} == stage.held_out().keys()


def test_the_sync_expert_is_asked_only_where_little_noise_is_in_the_way(
    footage: Path, tiny_configuration: DiffTalkConfiguration, settings: DenoiserSettings
):
    stage = training(footage, tiny_configuration, settings)
    batch = default_collate([stage.examples[number] for number in range(2)])
    batch["level"] = torch.tensor([0.9, 0.9])
    assert stage.losses("denoiser", stage.learning, batch, 0)["sync"] == 0
    batch["level"] = torch.tensor([0.1, 0.9])
    sync = stage.losses("denoiser", stage.learning, batch, 0)["sync"]
    assert 0 < float(sync.detach()) <= 2 * settings.sync_weight
    sync.backward()
    assert stage.denoiser.unet.conv_out.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for helper in stage.helping for parameter in helper.parameters())


def test_min_snr_weighs_each_level_as_published():
    for predicts in ("noise", "clean"):
        scheduler = build_scheduler(replace(SMALL.schedule, predicts=predicts))
        levels = torch.tensor([0, 300, 999])
        alphas = scheduler.alphas_cumprod[levels]
        snr = alphas / (1 - alphas)
        capped = snr.clamp(max=5.0)
        expected = capped / 5 if predicts == "clean" else capped / snr
        torch.testing.assert_close(min_snr_weights(scheduler, levels, 5.0, predicts), expected)


def test_the_mouth_weighs_most_and_what_is_kept_least(tiny_configuration: DiffTalkConfiguration):
    weights = weight_map(tiny_configuration)[0, 0]
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[weights.shape[0] // 2 - 2, weights.shape[1] // 2] > 5 * weights[0, 0]


@pytest.mark.parametrize("draft", [True, False])
def test_a_film_shows_truth_reference_and_what_is_made(
    footage: Path, paper: DiffTalkConfiguration, settings: DenoiserSettings, draft: bool
):
    stage = training(footage, paper, settings.model_copy(update={"draft": draft, "sync_weight": 0}))
    clip = Parts.of(footage, square_px=128, in_a_row=1).test.clips[0]
    film = film_of(clip, paper, stage.settings, stage.denoiser.eval(), stage.helping[0])
    truth, shown, made = np.split(film, 3, axis=2)
    assert np.array_equal(truth, clip.pictures())
    assert np.array_equal(made[:, :60], shown[:, :60])  # above the nose nothing is made
    assert not np.array_equal(made, shown)
    assert np.array_equal(shown[3], shown[0]) == (not draft)
