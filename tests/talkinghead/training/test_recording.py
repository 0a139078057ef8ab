import numpy as np
import torch

from services.talkinghead.training.recording import another_camera, another_voice


def test_five_pictures_in_a_row_move_as_one_and_other_rows_otherwise():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (16, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    moved = another_camera(np.stack([picture] * 10), rng)
    assert moved.shape == (10, 48, 64, 3)
    assert (moved[:5] == moved[0]).all()
    assert (moved[5:] == moved[5]).all()
    assert not np.array_equal(moved[0], moved[5])
    assert not np.array_equal(moved[0], picture[72:120, 32:96])


def test_some_cameras_see_no_colours():
    rng = np.random.default_rng(0)
    red = np.zeros((5, 128, 128, 3), np.uint8)
    red[..., 0] = 200
    greys = [bool((np.ptp(another_camera(red, rng), axis=-1) == 0).all()) for _ in range(40)]
    assert 3 < sum(greys) < 20


def test_another_voice_says_the_same_at_the_same_times():
    rng = np.random.default_rng(0)
    sound = torch.zeros(2, 80, 20)
    sound[:, 30, 7] = 9.0  # a tone
    for _ in range(20):
        varied = another_voice(sound, rng)
        assert varied.shape == sound.shape
        assert torch.equal(varied[0], varied[1])
        band, time = np.unravel_index(int((varied[0] - varied[0, :, :1]).argmax()), (80, 20))
        assert time == 7
        assert abs(int(band) - 30) <= 5
