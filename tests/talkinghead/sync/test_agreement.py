import numpy as np
import pytest
import torch

from services.talkinghead.sync import agreement
from services.talkinghead.sync.agreement import MOST_FRAMES, Runs, best_and_median, expert_agreement
from services.talkinghead.sync.expert import SyncExpert

FRAMES = 60
SILENCE = np.zeros(640 * FRAMES, np.float32)


class LevelExpert(SyncExpert):
    """It sees how bright a mouth is and hears how loud a sound is, each as an angle."""

    def see(self, mouths: torch.Tensor) -> torch.Tensor:
        return _angle(mouths.mean((1, 2, 3, 4)) / 2 + 0.5)

    def hear(self, sound: torch.Tensor) -> torch.Tensor:
        return _angle(sound.mean((1, 2)))


def _angle(value: torch.Tensor) -> torch.Tensor:
    return torch.stack([(6 * value).cos(), (6 * value).sin()], 1)


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """(60,) loud and soft, about as fast as syllables; a sound is told by the levels of its five frames."""
    noise = np.random.default_rng(0).uniform(0, 1, FRAMES + 2)
    smooth = np.stack([noise[n : n + 3].mean() for n in range(FRAMES)])
    levels = (smooth - smooth.min()) / np.ptp(smooth)

    def sound_at(wave: np.ndarray, places: np.ndarray) -> torch.Tensor:
        padded = np.pad(levels, 2 * MOST_FRAMES)
        of_runs = [padded[place + 2 * MOST_FRAMES :][:5].mean() for place in places]
        return torch.tensor(of_runs)[:, None, None].expand(-1, 80, 20).float()

    monkeypatch.setattr(agreement, "sound_at", sound_at)
    return levels


def squares(levels: np.ndarray) -> np.ndarray:
    return np.broadcast_to((levels * 255).astype(np.uint8)[:, None, None, None], (len(levels), 128, 128, 3))


@pytest.mark.parametrize("late", [-6, 0, 4])
def test_the_lag_of_the_mouth_is_found(levels: np.ndarray, late: int):
    times_s = (np.arange(FRAMES) + 0.5) / 25
    mouths = squares(np.roll(levels, late))
    confidence, offset_ms = expert_agreement(LevelExpert(), mouths, times_s, SILENCE)
    assert offset_ms == 40 * late
    assert confidence is not None
    assert confidence > 0.1


@pytest.mark.parametrize("fps", [22.0, 25.0, 30.0])
def test_moments_at_25_a_second_are_found_at_any_rate(fps: float):
    runs = Runs.of((np.arange(50) + 0.5) / fps)
    assert runs.places.tolist() == list(range(len(runs.places)))
    assert abs(len(runs.places) + 4 - 50 / fps * 25) <= 1
    shown_s = (runs.pictures + 0.5) / fps
    wanted_s = (runs.places[:, None] + np.arange(5) + 0.5) / 25
    assert np.abs(shown_s - wanted_s).max() <= 0.03


def test_a_gap_parts_runs(levels: np.ndarray):
    times_s = np.r_[np.arange(6), np.arange(10, 14)] / 25 + 0.02
    assert Runs.of(times_s).places.tolist() == [0, 1]
    gappy = np.arange(0, 20, 3) / 25
    assert expert_agreement(LevelExpert(), squares(levels[:7]), gappy, SILENCE) == (None, None)


def test_the_field_s_figures_come_from_the_lags_means():
    distances = torch.full((4, 31), 9.0)
    distances[:, 12] = 7.0
    assert best_and_median(distances) == (7.0, 2.0)


def test_a_measure_is_a_number_for_an_untrained_expert(levels: np.ndarray):
    torch.manual_seed(0)
    confidence, _ = expert_agreement(SyncExpert().eval(), squares(levels), (np.arange(FRAMES) + 0.5) / 25, SILENCE)
    assert confidence is not None
    assert 0 <= confidence < 0.2
