from pathlib import Path

import numpy as np
import torch

from services.talkinghead.sync.expert import FRAMES
from services.talkinghead.training.clips import Parts
from services.talkinghead.training.configuration import TrainingConfiguration
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
    moments = Moments(Parts.of(footage, square_px=128, in_a_row=FRAMES).train, seed=0)
    item = moments[0]
    assert item["mouths"].shape == (MOMENTS, FRAMES, 3, 48, 64)
    assert item["sound"].shape == (MOMENTS, 80, 20)


def test_an_expert_that_guesses_is_right_in_about_a_quarter(footage: Path, configuration: TrainingConfiguration):
    torch.manual_seed(0)
    parts = Parts.of(footage, square_px=128, in_a_row=FRAMES)
    stage = SyncExpertTraining(configuration.sync_expert, parts, seed=0)
    assert 0.05 < stage.held_out()["right_of_four"] < 0.5
