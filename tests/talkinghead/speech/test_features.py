import numpy as np
import pytest

from services.talkinghead.speech.features import audio_windows


def counted(n_frames: int) -> np.ndarray:
    """Hidden vectors that tell their own place: 1 for the first, so that padding (0) is distinct."""
    return np.arange(1, 2 * n_frames + 1, dtype=np.float32)[:, None].repeat(3, 1)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 10), (3, 7), (9, 10)])
def test_windows_have_the_paper_s_shape(start, stop):
    assert audio_windows(counted(10), slice(start, stop)).shape == (stop - start, 8, 16, 3)


def test_a_frame_s_own_two_vectors_are_in_the_middle_of_its_own_window():
    windows = audio_windows(counted(40), slice(20, 21))
    assert windows[0, 4, 7:9, 0].tolist() == [41, 42]  # vectors 40 and 41, counted from 1
    assert windows[0, 4, :, 0].tolist() == list(range(34, 50))


def test_neighbouring_windows_are_one_frame_apart():
    windows = audio_windows(counted(40), slice(20, 21))
    assert (np.diff(windows[0, :, 0, 0]) == 2).all()


def test_beyond_both_ends_all_is_zero():
    windows = audio_windows(counted(5), slice(0, 5))
    assert windows[0, 0, :, 0].tolist() == [0] * 15 + [1]  # the window of frame -4 just reaches the speech
    assert windows[0, 4, :8, 0].tolist() == [0] * 7 + [1]
    assert windows[4, 4, 7:, 0].tolist() == [9, 10] + [0] * 7


def test_a_slice_equals_the_same_frames_of_the_whole():
    hidden = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    whole = audio_windows(hidden, slice(0, 40))
    assert np.array_equal(audio_windows(hidden, slice(13, 29)), whole[13:29])


def test_frames_behind_the_speech_get_silence():
    assert (audio_windows(counted(5), slice(30, 32)) == 0).all()
