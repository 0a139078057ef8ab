import numpy as np
import pytest

from services.talkinghead.audio.decode import decode_speech
from services.talkinghead.evaluation.phones import Openings, PhoneRecogniser, Phones, area_under_curve

TIMES_S = (np.arange(500) + 0.5) / 25


def phones(count: int = 60) -> Phones:
    """Open and shut in turn, three a second, unevenly."""
    middles = 0.5 + np.cumsum(np.random.default_rng(0).uniform(0.22, 0.4, count))
    return Phones(open_s=middles[::2], closed_s=middles[1::2])


def mouth(of: Phones, late_s: float = 0.0) -> np.ndarray:
    """Opens for the open vowels and shuts for the rest."""
    opens = sum(np.exp(-(((TIMES_S - late_s - middle) / 0.06) ** 2)) for middle in of.open_s)
    return opens - sum(np.exp(-(((TIMES_S - late_s - middle) / 0.06) ** 2)) for middle in of.closed_s)


class TestAreaUnderCurve:
    def test_known_answers(self):
        assert area_under_curve(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
        assert area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0
        assert area_under_curve(np.array([1.0]), np.array([1.0])) == 0.5
        assert area_under_curve(np.array([1.0, 3.0]), np.array([2.0])) == 0.5

    def test_chance_is_a_half(self):
        rng = np.random.default_rng(0)
        assert area_under_curve(rng.normal(size=2000), rng.normal(size=2000)) == pytest.approx(0.5, abs=0.02)

    def test_phones_outside_the_clip_do_not_count(self):
        assert area_under_curve(np.array([1.0, np.nan]), np.array([0.0, np.nan])) == 1
        assert area_under_curve(np.array([np.nan]), np.array([0.0])) is None


class TestSeparation:
    @pytest.mark.parametrize("late_ms", [-100, 0, 40, 160])
    def test_a_mouth_that_tells_sounds_apart_is_found_with_its_lag(self, late_ms):
        heard = phones()
        auc, lag_ms = Openings.of(mouth(heard, late_ms / 1000), TIMES_S, heard).separation()
        assert auc == 1
        assert lag_ms == pytest.approx(
            late_ms, abs=60
        )  # every lag that separates fully is as good; the smallest is told

    def test_a_mouth_that_moves_by_itself_is_near_chance(self):
        noise = np.convolve(np.random.default_rng(1).normal(size=504), np.ones(5) / 5, "valid")
        auc, _ = Openings.of(noise, TIMES_S, phones()).separation()
        assert 0.45 < auc < 0.72

    def test_clips_are_joined_in_spreads_of_their_own_opening(self):
        heard = phones()
        small = Openings.of(0.01 * mouth(heard) + 5, TIMES_S, heard)
        large = Openings.of(mouth(heard), TIMES_S, heard)
        joined = Openings.joined([small, large])
        assert joined.separation()[0] == 1
        assert joined.counts == (60, 60)

    def test_without_phones_there_is_no_answer(self):
        silent = Phones(np.zeros(0), np.zeros(0))
        assert Openings.of(mouth(phones()), TIMES_S, silent).separation() == (None, None)


def test_phones_of_real_speech_lie_within_it(example_speech):
    audio = decode_speech(example_speech, 600)
    heard = PhoneRecogniser()(audio.samples)
    assert len(heard.open_s) >= 3
    assert len(heard.closed_s) >= 3
    for middles in (heard.open_s, heard.closed_s):
        assert (np.diff(middles) > 0).all()
        assert middles[0] > -0.1
        assert middles[-1] < audio.duration_s
