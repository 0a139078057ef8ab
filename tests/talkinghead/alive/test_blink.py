import numpy as np
import pytest

from services.talkinghead.alive.blink import CLOSING, closing, eyelids


def test_lids_close_and_open_about_thirteen_times_a_minute():
    closed = closing(0, 25 * 600, seed=0)
    assert closed.min() == 0
    assert closed.max() == 1
    blinks = int((closed == 1).sum())
    assert 100 < blinks < 170
    assert (closed > 0).sum() == blinks * len(CLOSING)


def test_a_video_begins_with_open_eyes():
    assert all(not closing(0, 25, seed).any() for seed in range(20))


@pytest.mark.parametrize("cut", [1, 60, 61, 299])
def test_a_segment_sees_the_blinks_of_the_whole(cut):
    assert np.array_equal(np.concatenate([closing(0, cut, 3), closing(cut, 300, 3)]), closing(0, 300, 3))


def test_another_seed_blinks_at_other_times():
    assert not np.array_equal(closing(0, 500, 1), closing(0, 500, 2))


def test_a_closed_lid_covers_the_eye_and_leaves_the_rest(drawn_face):
    frame = drawn_face.pixels.copy()
    lids = eyelids(drawn_face.landmarks, frame.shape)
    assert len(lids) == 2
    for lid in lids:
        lid.close(frame, 1.0)

    for eye in (slice(36, 42), slice(42, 48)):
        x, y = drawn_face.landmarks[eye].mean(0).round().astype(int)
        assert drawn_face.pixels[y, x].mean() < 80  # the drawn eye is dark
        assert frame[y, x].mean() > 130  # skin
    changed = np.argwhere((frame != drawn_face.pixels).any(axis=2))
    eyes = drawn_face.landmarks[36:48]
    assert (changed[:, 0] > eyes[:, 1].min() - 15).all()
    assert (changed[:, 0] < eyes[:, 1].max() + 10).all()


def test_open_lids_change_no_bit(drawn_face):
    frame = drawn_face.pixels.copy()
    for lid in eyelids(drawn_face.landmarks, frame.shape):
        lid.close(frame, 0.0)
    assert np.array_equal(frame, drawn_face.pixels)


def test_eyes_that_are_closed_have_no_lid_to_close(drawn_face):
    landmarks = drawn_face.landmarks.copy()
    for eye in (slice(36, 42), slice(42, 48)):
        landmarks[eye, 1] = landmarks[eye, 1].mean()
    assert eyelids(landmarks, drawn_face.pixels.shape) == []
