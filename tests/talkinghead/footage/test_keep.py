import numpy as np
import pytest

from services.talkinghead.face.square import FaceSquare
from services.talkinghead.footage import keep
from services.talkinghead.footage.watch import Watched
from services.talkinghead.speech.actions import ACTIONS
from tests.talkinghead.conftest import draw_face

COUNT = 120


def watched(**changed: object) -> Watched:
    """120 good frames of a drawn face, with something else about them."""
    same = {
        "landmarks": [None] * COUNT,
        "thumbnails": np.full((COUNT, 18, 32, 3), 90, np.uint8),
        "new": np.ones(COUNT, bool),
        "covered": np.zeros(COUNT, bool),
        "others": np.zeros(COUNT, bool),
        "shape": (300, 260),
    }
    return Watched(**(same | changed))


@pytest.fixture
def landmarks() -> np.ndarray:
    return np.repeat(draw_face().landmarks[None], COUNT, 0)


def span(reasons: np.ndarray, reason: str) -> list[int]:
    where = np.flatnonzero(reasons == reason).tolist()
    return [where[0], where[-1] + 1] if where else []


def test_good_frames_are_kept(landmarks):
    assert keep.kept_runs(keep.by_sight(watched(), landmarks, 128)) == [(0, COUNT)]


def test_frames_without_a_face_with_two_and_with_a_hand_before_the_mouth_are_left_out(landmarks):
    landmarks[10:20] = 0
    others, covered = np.zeros((2, COUNT), bool)
    others[50:75] = True
    covered[80:90] = True
    reasons = keep.by_sight(watched(others=others, covered=covered), landmarks, 128)
    assert span(reasons, keep.COVERED) == [80, 90]
    assert span(reasons, keep.NO_FACE) == [10, 20]
    assert span(reasons, keep.OTHER_FACE) == [50, 75]
    assert keep.kept_runs(reasons) == []
    assert span(reasons, keep.TOO_SHORT) == [0, COUNT]


def test_a_face_is_small_by_the_square_that_is_wanted(landmarks):
    assert FaceSquare.of(landmarks[0]).edge_px == pytest.approx(192, abs=4)
    assert keep.kept_runs(keep.by_sight(watched(), landmarks, 240)) == [(0, COUNT)]  # enlarged by a quarter
    assert span(keep.by_sight(watched(), landmarks, 288), keep.SMALL) == [0, COUNT]


def test_turned_heads_and_mouths_at_the_edge_are_left_out(landmarks):
    landmarks[:30, 30] += (40, 0)
    landmarks[90:, :, 0] += 115
    reasons = keep.by_sight(watched(), landmarks, 128)
    assert span(reasons, keep.TURNED) == [0, 30]
    assert span(reasons, keep.AT_EDGE) == [90, COUNT]


def test_a_cut_parts_the_clips(landmarks):
    thumbnails = np.full((COUNT, 18, 32, 3), 90, np.uint8)
    thumbnails[60:] = 180
    reasons = keep.by_sight(watched(thumbnails=thumbnails), landmarks, 128)
    assert keep.kept_runs(reasons) == [(0, 58), (62, COUNT)]
    assert keep.seconds_by_reason(reasons) == {keep.CUT: 0.16}


def test_a_video_that_hangs_is_left_out_but_single_doubles_are_not(landmarks):
    new = np.ones(COUNT, bool)
    new[3::4] = False  # 18 frames a second
    new[60:80] = False
    reasons = keep.by_sight(watched(new=new), landmarks, 128)
    assert span(reasons, keep.STANDS) == [58, 80]


def test_lips_that_rest_while_somebody_is_heard_are_anothers(landmarks):
    rng = np.random.default_rng(0)
    landmarks += 0.2 * rng.standard_normal(landmarks.shape).astype(np.float32)
    actions = np.zeros((COUNT, len(ACTIONS)), np.float32)
    actions[:, 0] = 0.3 + 0.3 * np.sin(np.arange(COUNT))
    reasons = keep.by_sight(watched(), landmarks, 128)
    keep.by_sound(reasons, landmarks, actions)
    assert span(reasons, keep.OTHER_VOICE)[0] == 0

    landmarks[:, 65:68, 1] += 6 * actions[:, :1]
    reasons = keep.by_sight(watched(), landmarks, 128)
    keep.by_sound(reasons, landmarks, actions)
    assert span(reasons, keep.OTHER_VOICE) == []


def test_clips_last_ten_seconds_at_most_and_hold_speech():
    reasons = np.full(800, None, object)
    actions = np.zeros((800, len(ACTIONS)), np.float32)
    actions[:500] = 0.1
    assert keep.clips_of([(0, 600), (600, 800)], reasons, actions) == [(0, 200), (200, 400), (400, 600)]
    assert span(reasons, keep.NOBODY_SPEAKS) == [600, 800]
