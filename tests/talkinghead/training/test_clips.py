from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.footage.shard import Footage
from services.talkinghead.training.clips import Change, DrawnClips, first_of_rows, heard, rng_of, wave_of
from services.talkinghead.training.errors import TrainError
from tests.talkinghead.training.conftest import FRAMES, drawn_clip, write_set


def test_rows_without_a_gap_are_found():
    places = np.array([0, 2, 3, 4, 5, 9, 10, 11])
    assert first_of_rows(places, 3).tolist() == [1, 2, 5]
    assert first_of_rows(places, 1).tolist() == list(range(8))
    assert first_of_rows(places, 9).tolist() == []


def test_the_same_number_draws_the_same(footage: Path):
    clips = DrawnClips(footage, "train", square_px=128, in_a_row=5)

    def drawn(number: int) -> tuple[str, int]:
        clip, chosen = clips.draw(rng_of(0, number))
        assert (np.diff(chosen) == 1).all()
        assert chosen[-1] < FRAMES
        return clip.name, int(chosen[0])

    first = [drawn(number) for number in range(20)]
    assert first == [drawn(number) for number in range(20)]
    assert len({name for name, _ in first}) == 4


def test_a_set_that_does_not_serve_is_refused(footage: Path, tmp_path: Path):
    with pytest.raises(TrainError, match="drawn-40 has face squares of 128 px, the model takes 256"):
        DrawnClips(footage, "train", square_px=256, in_a_row=1)
    with pytest.raises(TrainError, match=f"no clip in .* has more than {FRAMES} pictures and those in a row"):
        DrawnClips(footage, "train", square_px=128, in_a_row=FRAMES)
    with pytest.raises(TrainError, match="there is no clip in it"):
        DrawnClips(tmp_path, "train", square_px=128, in_a_row=1)


def test_what_a_set_does_not_hold_is_told(tmp_path: Path):
    deaf = replace(drawn_clip(1), wave=np.zeros(0, np.int16))
    (clip,) = Footage(write_set(tmp_path / "deaf", [deaf], [deaf]), "train")
    with pytest.raises(TrainError, match=r"drawn-1 holds no sound .* say denoiser.sync_weight: 0"):
        wave_of(clip)
    with pytest.raises(TrainError, match="drawn-1 holds no whisper features; prepare the set with --speech-features"):
        heard(clip, "whisper")


def test_actions_are_heard_as_the_service_hears_them(footage: Path):
    clip = Footage(footage, "train")[0]
    features = heard(clip, "actions")
    assert features.shape == (2 * FRAMES, 11)
    assert np.abs(np.diff(features[::2, 0])).mean() < np.abs(np.diff(clip.actions[:, 0])).mean()  # calmer


def test_pictures_and_landmarks_are_mirrored_together():
    mirrored = next(change for n in range(20) if (change := Change(np.random.default_rng(n)))._mirrored)
    images = np.zeros((3, 8, 8), np.float32)
    images[:, :, 0] = 0.5
    changed = mirrored.pictures(images)
    assert (changed[:, 0, 7] != changed[:, 0, 0]).all()
    points = np.zeros((68, 2), np.float32)
    points[48] = (10, 5)  # the left corner of the mouth
    assert mirrored.landmarks(points, 128)[54].tolist() == [117, 5]
