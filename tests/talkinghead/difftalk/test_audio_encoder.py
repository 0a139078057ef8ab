"""Audio windows: which feature vectors a frame sees."""

import numpy as np

from services.talkinghead.difftalk.audio_encoder import actions_as_features, audio_windows


def test_windows_are_centred_on_their_frame():
    features = np.arange(1, 101, dtype=np.float32)[:, None]  # vector n holds n + 1; 0 stands for silence outside
    windows = audio_windows(features)
    assert windows.shape == (50, 8, 16, 1)
    # the fifth of eight neighbours is the frame's own window: vectors 2t - 8 ... 2t + 7
    assert windows[20, 4, :, 0].tolist() == list(range(33, 49))
    # neighbours are one frame, that is two vectors, apart
    assert windows[20, 3, :, 0].tolist() == list(range(31, 47))
    assert windows[20, 7, :, 0].tolist() == list(range(39, 55))


def test_outside_the_recording_there_is_silence():
    windows = audio_windows(np.ones((20, 3), np.float32))
    assert not windows[0, :4].any()
    assert windows[0, 4, 8:].all()
    assert not windows[0, 4, :8].any()
    assert not windows[-1, 5:].any()


def test_actions_are_doubled_in_rate():
    actions = np.array([[0.0], [1.0], [0.0]], np.float32)
    assert actions_as_features(actions)[:, 0].tolist() == [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
