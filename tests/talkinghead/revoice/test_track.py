"""Which frames of a track are left alone, told by landmarks alone."""

from fractions import Fraction

import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.revoice.track import make_track
from services.talkinghead.video.timeline import Timeline

SHAPE = (300, 260)
FRAMES = 30


def track_of(landmarks, covered=()):
    stamps = np.arange(len(landmarks), dtype=np.int64)
    hidden = np.isin(stamps, covered)
    return make_track(list(landmarks), hidden, stamps, Timeline(Fraction(25), stamps, True), SHAPE)


@pytest.fixture
def still(drawn_face):
    """30 frames of a face that does not move."""
    return np.repeat(drawn_face.landmarks[None], FRAMES, 0)


def turned(landmarks):
    away = landmarks.copy()
    away[30] += 0.4 * (landmarks[16] - landmarks[0])
    return away


def far(landmarks):
    middle = landmarks.mean(0)
    return (middle + (landmarks - middle) * 0.2).astype(np.float32)


def low(landmarks):
    return landmarks + np.array([0, SHAPE[0] - landmarks[57, 1] + 2], np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (turned, "the face is turned far to the side"),
        (far, "the face square is less than 64 px wide"),
        (low, "the mouth is at the edge of the picture"),
    ],
)
def test_frames_whose_lips_cannot_be_edited_are_named_and_the_edit_fades_beside_them(still, change, reason):
    still[10:20] = change(still[0])
    track, warnings = track_of(still)
    assert len(warnings) == 1
    assert reason in warnings[0]
    untouched = np.flatnonzero(track.strength == 0)
    # the filter that calms the landmarks may move the ends of the range by a frame
    assert set(range(11, 19)) <= set(untouched) <= set(range(9, 21))
    assert f"frames {untouched[0]} to {untouched[-1]}" in warnings[0]
    assert track.strength[[untouched[0] - 1, untouched[-1] + 1]].tolist() == [0.25, 0.25]
    assert track.strength[[0, 29]].tolist() == [1, 1]


def test_a_covered_mouth_is_left_alone(still):
    track, warnings = track_of(still, covered=range(5, 9))
    assert np.flatnonzero(track.strength == 0).tolist() == [5, 6, 7, 8]
    assert warnings == ["source: frames 5 to 8 (0.20 to 0.36 s) are untouched: something is before the mouth"]


def test_a_covered_mouth_says_nothing_about_the_mouth_at_rest(still):
    guessed = still.copy()
    guessed[10:20, 48:] += np.float32(9)
    track, _ = track_of(guessed, covered=range(6, 24))
    assert np.allclose(track.neutral[0], track_of(still)[0].neutral[0], atol=0.2)


def test_the_landmarkers_tremble_is_calmed(still):
    noise = np.random.default_rng(0).normal(0, 0.3, still.shape).astype(np.float32)
    track, _ = track_of(still + noise)
    assert np.diff(track.landmarks, axis=0).std() < 0.35 * np.diff(noise, axis=0).std()


@pytest.mark.parametrize(("change", "code"), [(turned, "no_face"), (far, "face_too_small"), (low, "no_face")])
def test_a_video_without_a_frame_that_can_be_edited_is_refused(still, change, code):
    with pytest.raises(ProblemError) as caught:
        track_of(np.stack([change(points) for points in still]))
    assert (caught.value.code, caught.value.param) == (code, "portrait")


def test_a_video_covered_throughout_is_refused_with_the_reason(still):
    with pytest.raises(ProblemError, match="something is before the mouth"):
        track_of(still, covered=range(FRAMES))
