from pathlib import Path

import numpy as np
import torch

from services.talkinghead.sync.expert import FRAMES, SyncExpert
from services.talkinghead.training.clips import Parts
from services.talkinghead.training.configuration import TrainingConfiguration
from services.talkinghead.training.run_folder import SYNC_EXPERT
from services.talkinghead.training.sync_expert import MOMENTS, Moments, SyncExpertTraining, apart


def test_moments_share_no_picture_where_there_are_enough():
    rng = np.random.default_rng(0)
    for _ in range(30):
        chosen = np.sort(apart(np.arange(40), rng))
        assert len(chosen) == MOMENTS
        assert (np.diff(chosen) >= 1).all()
    rows = np.array([1, 6, 11, 16, 21])
    assert len(set(apart(rows, rng).tolist())) == MOMENTS
    assert len(apart(np.array([3]), rng)) == MOMENTS


def test_each_mouth_comes_with_its_own_sound(footage: Path):
    clips = Parts.of(footage, square_px=128, in_a_row=FRAMES).train
    plain, varied = (Moments(clips, seed=0, varied=each)[0] for each in (False, True))
    for item in (plain, varied):
        assert item["mouths"].shape == (MOMENTS, FRAMES, 3, 48, 64)
        assert item["sound"].shape == (MOMENTS, 80, 20)
        assert item["mouths"].abs().max() <= 1
    assert not torch.equal(plain["mouths"], varied["mouths"])
    assert not torch.equal(plain["sound"], varied["sound"])


def stage_of(footage: Path, configuration: TrainingConfiguration, weights_as: str = "float32") -> SyncExpertTraining:
    torch.manual_seed(0)
    parts = Parts.of(footage, square_px=128, in_a_row=FRAMES)
    return SyncExpertTraining(configuration.sync_expert, parts, seed=0, weights_as=weights_as)


def test_an_expert_that_guesses_is_right_in_about_a_quarter(footage: Path, configuration: TrainingConfiguration):
    figures = stage_of(footage, configuration).held_out()
    assert 0.05 < figures["right_of_four"] < 0.5
    assert 0 <= figures["in_step"] <= 1


def test_what_is_stored_in_half_precision_is_read_as_an_expert(
    footage: Path, configuration: TrainingConfiguration, tmp_path: Path
):
    stage = stage_of(footage, configuration, "float16")
    stage.save(tmp_path)
    assert (tmp_path / SYNC_EXPERT).stat().st_size < 4_000_000
    read = SyncExpert.load(tmp_path / SYNC_EXPERT)
    sound = torch.randn(2, 80, 20)
    torch.testing.assert_close(read.hear(sound), stage.expert.hear(sound), rtol=0, atol=5e-3)
