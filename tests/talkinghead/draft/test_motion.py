import numpy as np
import pytest

from services.talkinghead.draft.lips import opening_ratio
from services.talkinghead.draft.motion import smooth_actions, target_landmarks
from services.talkinghead.face.square import FaceSquare
from services.talkinghead.speech.actions import ACTIONS


@pytest.fixture
def basis():
    """The jaw drops the lower lip and the chin; press does what the seal adds to."""
    shifts = np.zeros((len(ACTIONS), 68, 2), np.float32)
    shifts[ACTIONS.index("jawOpen"), [8, 57, 56, 58, 65, 66, 67], 1] = 0.5
    return shifts


def acting(frames: int, **actions: float) -> np.ndarray:
    values = np.zeros((frames, len(ACTIONS)), np.float32)
    for name, value in actions.items():
        values[:, ACTIONS.index(name)] = value
    return values


def in_square(face):
    return FaceSquare.of(face.landmarks).to_square(face.landmarks)


class TestSmoothing:
    def test_silence_stays_exactly_zero(self):
        actions = acting(30, jawOpen=0.5)
        actions[:10] = actions[20:] = 0
        smooth = smooth_actions(actions)
        assert not smooth[:10].any()
        assert not smooth[20:].any()
        assert smooth[11:19, 0].min() > 0.1

    def test_jitter_shrinks_and_the_course_remains(self):
        rng = np.random.default_rng(0)
        course = 0.5 + 0.3 * np.sin(np.arange(100) / 8)
        actions = acting(100, jawOpen=course + 0.05 * rng.standard_normal(100))
        smooth = smooth_actions(actions)[:, 0]
        assert np.abs(np.diff(smooth, 2)).mean() < 0.6 * np.abs(np.diff(actions[:, 0], 2)).mean()
        assert np.abs(smooth - course).mean() < 0.05

    def test_it_adds_no_delay(self):
        pulse = np.exp(-0.5 * ((np.arange(60) - 30) / 3) ** 2)
        smooth = smooth_actions(acting(60, jawOpen=pulse + 1e-6))[:, 0]
        assert abs((smooth * np.arange(60)).sum() / smooth.sum() - 30) < 0.5


class TestTargets:
    def test_a_resting_face_is_its_own_target(self, drawn_face, basis):
        landmarks = in_square(drawn_face)
        assert (target_landmarks(landmarks, acting(3), basis) == landmarks).all()

    def test_the_jaw_opens_the_mouth_but_never_absurdly(self, drawn_face, basis):
        landmarks = in_square(drawn_face)
        little, wide = (target_landmarks(landmarks, acting(1, jawOpen=a), basis)[0] for a in (0.3, 3.0))
        assert 0.05 < opening_ratio(little) < opening_ratio(wide) < 0.5

    def test_pressed_lips_meet_even_on_an_open_mouth(self, smiling_face, basis):
        landmarks = in_square(smiling_face)
        assert opening_ratio(landmarks) > 0.2
        pressed = target_landmarks(landmarks, acting(1, mouthPress=0.35), basis)[0]
        assert opening_ratio(pressed) < 0.02

    def test_a_smile_does_not_make_the_jaw_drop_further(self, drawn_face, basis):
        landmarks = in_square(drawn_face)
        smile = landmarks.copy()
        centre = landmarks[48:68, 0].mean()
        smile[48:68, 0] = centre + 1.6 * (smile[48:68, 0] - centre)
        drops = [
            float((target_landmarks(face, acting(1, jawOpen=0.3), basis)[0] - face)[8, 1])
            for face in (landmarks, smile)
        ]
        assert drops[1] < 1.2 * drops[0]


def test_a_frame_s_target_does_not_depend_on_its_neighbours_in_the_call(drawn_face):
    rng = np.random.default_rng(0)
    actions = rng.random((40, len(ACTIONS)), dtype=np.float32)
    basis = rng.normal(0, 0.2, (len(ACTIONS), 68, 2)).astype(np.float32)
    landmarks = in_square(drawn_face)
    whole = target_landmarks(landmarks, actions, basis)
    for first, last in ((0, 1), (1, 8), (8, 40)):
        assert np.array_equal(target_landmarks(landmarks, actions[first:last], basis), whole[first:last])
