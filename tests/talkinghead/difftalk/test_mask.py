"""Masks: what the model is shown must not tell the answer."""

import numpy as np
import torch

from services.talkinghead.difftalk.configuration import SMALL, DiffTalkConfiguration
from services.talkinghead.difftalk.landmark_encoder import LandmarkEncoder
from services.talkinghead.difftalk.mask import HIDDEN, hide, hide_below_nose, keep_mask, soft_mask
from services.talkinghead.difftalk.pipeline import DiffTalk

JAW_AND_MOUTH = [*range(4, 13), *range(48, 68)]


def test_soft_mask_fades_before_the_edge_of_its_window():
    mask = soft_mask(SMALL.window)
    assert mask.shape == (48, 64)
    assert mask.max() == 1.0
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()


def test_kept_cells_hold_no_made_pixel():
    mask = soft_mask(SMALL.window)
    keep = keep_mask(mask, 2)
    enlarged = keep.repeat_interleave(2, 2).repeat_interleave(2, 3)[0, 0].numpy()
    assert enlarged.any()
    assert not mask[enlarged == 1].any()
    assert keep_mask(np.zeros((8, 8), np.float32), 2).all()


def test_hidden_pixels_are_gone():
    mask = soft_mask(SMALL.window)
    hidden = hide(torch.rand(1, 3, 48, 64), mask)
    assert (hidden[0, :, torch.from_numpy(mask > 0)] == HIDDEN).all()
    assert (hidden[0, :, torch.from_numpy(mask == 0)] >= 0).all()


def test_masks_do_not_depend_on_the_jaw():
    landmarks = 64 * torch.rand(1, 68, 2)
    opened = landmarks.clone()
    opened[:, JAW_AND_MOUTH, 1] += 9.0
    picture = torch.rand(1, 3, 64, 64)
    assert torch.equal(hide_below_nose(picture, landmarks), hide_below_nose(picture, opened))


def test_source_latents_do_not_show_the_mouth(tiny_model: DiffTalk, tiny_configuration: DiffTalkConfiguration):
    rng = np.random.default_rng(0)
    square, landmarks = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8), rng.random((68, 2), dtype=np.float32)
    window = tiny_configuration.window
    made = np.zeros((128, 128), bool)
    rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
    made[rows, columns] = soft_mask(window) > 0
    other_mouth = np.where(made[..., None], 255 - square, square)
    first = tiny_model.encode_source(square, landmarks)
    assert torch.equal(first.masked, tiny_model.encode_source(other_mouth, landmarks + 9).masked)


def test_landmark_condition_does_not_see_jaw_and_mouth():
    encoder = LandmarkEncoder()
    landmarks = 64 * torch.rand(2, 68, 2)
    opened = landmarks.clone()
    opened[:, JAW_AND_MOUTH] += 9.0
    assert torch.equal(encoder(landmarks), encoder(opened))
