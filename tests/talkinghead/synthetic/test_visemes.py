import numpy as np
import pytest

from services.talkinghead.speech.actions import ACTIONS, FPS, SAMPLE_RATE_HZ
from services.talkinghead.synthetic.sentences import sentence
from services.talkinghead.synthetic.visemes import VISEMES, action_curves, viseme_segments

JAW, PRESS = ACTIONS.index("jawOpen"), ACTIONS.index("mouthPress")


def curves(phones: list[tuple[float, str]], duration_s: float = 2.0) -> np.ndarray:
    wave = np.random.default_rng(0).normal(0, 0.1, int(duration_s * 16_000))
    return action_curves(wave, phones)


def test_b_between_two_open_vowels_shuts_the_mouth():
    actions = curves([(0.5, "ɑ"), (0.8, "b"), (0.9, "ɑ"), (1.2, "")])
    shut, opened = actions[int(0.85 * 25)], actions[int(0.65 * 25)]
    assert opened[JAW] > 0.5
    assert shut[JAW] < 0.5 * opened[JAW]
    assert shut[PRESS] > 0.2


def test_the_face_rests_far_from_speech():
    actions = curves([(1.0, "ɑ"), (1.3, "")], 3.0)
    assert actions[:12].max() < 1e-3
    assert actions[-20:].max() < 1e-3


def test_no_viseme_switches_hard_to_the_next():
    actions = curves([(0.5, "ɑ"), (0.7, "u"), (0.9, "i"), (1.1, "")])
    assert np.abs(np.diff(actions, axis=0)).max() < 0.5


def test_a_diphthong_and_an_affricate_are_two_segments():
    segments = viseme_segments([(0.0, "ˈaɪ"), (0.2, "tʃ"), (0.3, "")])
    assert [segment.viseme for segment in segments] == ["a", "I", "t", "sh"]
    assert segments[0].end_s == segments[1].start_s == pytest.approx(0.11)


def test_visemes_name_known_actions_in_range():
    for viseme in VISEMES.values():
        assert set(viseme.actions) <= set(ACTIONS)
        assert all(0 <= strength <= 1 for strength in viseme.actions.values())


def test_the_same_seed_gives_the_same_sentence_and_others_differ():
    said = [sentence(np.random.default_rng(seed)) for seed in (0, 0, 1, 2, 3)]
    assert said[0] == said[1]
    assert len(set(said)) == 4


@pytest.mark.parametrize("frames", [28, 112, 113, 4999])
def test_whole_frames_of_sound_give_as_many_frames_of_actions(frames: int):
    assert len(action_curves(np.zeros(frames * SAMPLE_RATE_HZ // FPS), [])) == frames
