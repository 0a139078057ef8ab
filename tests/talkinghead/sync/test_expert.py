import numpy as np
import torch

from services.talkinghead.sync.expert import FRAMES, MOUTH, SyncExpert, contrast, mouths_of, sound_at


def test_mouths_and_sounds_become_unit_vectors():
    torch.manual_seed(0)
    expert = SyncExpert()
    seen = expert.see(torch.randn(2, FRAMES, 3, MOUTH.height, MOUTH.width))
    heard = expert.hear(torch.randn(2, 80, 20))
    assert seen.shape == heard.shape == (2, 256)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(2))


def test_the_mouth_is_found_in_squares_of_any_size_and_in_windows():
    square = torch.rand(2, 3, 128, 128)
    mouth = square[:, :, 72:120, 32:96]
    assert torch.equal(mouths_of(square, 128), mouth)
    assert torch.equal(mouths_of(mouth, 128, top_px=72, left_px=32), mouth)
    larger = square.repeat_interleave(4, -1).repeat_interleave(4, -2)
    torch.testing.assert_close(mouths_of(larger, 512), mouth)
    torch.testing.assert_close(mouths_of(larger[:, None], 512), mouth[:, None])


def test_sound_beyond_the_ends_is_silence():
    wave = np.random.default_rng(0).standard_normal(6400).astype(np.float32)
    sound = sound_at(wave, np.array([-20, 0, 2, 60]))
    assert sound.shape == (4, 80, 20)
    assert sound[0].std() == sound[3].std() == 0
    assert sound[1].std() > 0


def test_what_belongs_together_costs_least():
    right = torch.eye(4) * 9
    assert contrast(right) < 0.01
    assert contrast(right.roll(1, 0)) > 8
    assert abs(float(contrast(torch.zeros(4, 4))) - np.log(4)) < 1e-5
