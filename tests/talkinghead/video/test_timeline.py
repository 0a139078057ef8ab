from fractions import Fraction

import numpy as np
import pytest

from services.talkinghead.video.timeline import Timeline, back_and_forth

TICK = Fraction(1, 90_000)


def stamps(times_s: list[float]) -> np.ndarray:
    return np.round(np.array(times_s) * 90_000).astype(np.int64)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(12)])
def test_even_frames_are_shown_once_at_their_exact_rate(fps):
    line = Timeline.of(stamps([float(n / fps) + 0.5 for n in range(50)]), TICK, fps)
    assert (line.fps, line.steady) == (fps, True)
    assert line.shown.tolist() == list(range(50))


def test_times_in_whole_milliseconds_are_even_enough():
    times = np.array([round(n * 1000 / 30) for n in range(30)])
    assert Timeline.of(times, Fraction(1, 1000), Fraction(30)).steady


def test_where_a_frame_is_missing_its_neighbours_are_shown_longer_and_no_time_is_lost():
    line = Timeline.of(stamps([n / 30 for n in range(30) if n not in (7, 8, 20)]), TICK, Fraction(27))
    assert line.fps == 30
    assert not line.steady
    assert len(line.shown) == 30
    assert line.shown[[6, 9, 29]].tolist() == [6, 7, 26]
    assert (np.diff(line.shown) >= 0).all()


def test_one_frame_has_the_headers_rate():
    line = Timeline.of(np.array([5]), TICK, Fraction(25))
    assert (line.fps, line.shown.tolist(), line.steady) == (25, [0], True)


def test_back_and_forth_shows_both_ends_once():
    assert back_and_forth(np.arange(10), 4).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert back_and_forth(np.arange(3), 1).tolist() == [0, 0, 0]
    assert back_and_forth(np.arange(4), 2).tolist() == [0, 1, 0, 1]
