from pathlib import Path

import cv2
import numpy as np
import pytest

from services.talkinghead.difftalk.audio_encoder import audio_windows
from services.talkinghead.footage import release
from services.talkinghead.footage.takes import TakesError
from tests.talkinghead.conftest import draw_face

COUNT = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Person 1 with 60 frames of which number 56 is missing, person 2 with 3."""
    hdtf = tmp_path / "HDTF"
    for part in ("images", "landmarks", "audio_smooth"):
        (hdtf / part).mkdir(parents=True)
    face = draw_face(256, 256)
    windows = audio_windows(np.random.default_rng(0).random((2 * COUNT, 29)).astype(np.float32))
    for person, count in ((1, COUNT), (2, 3)):
        for number in range(1, count + 1):
            if (person, number) == (1, 56):
                continue
            cv2.imwrite(str(hdtf / "images" / f"{person}_{number}.jpg"), face.pixels[..., ::-1])
            np.savetxt(hdtf / "landmarks" / f"{person}_{number}.lms", face.landmarks, "%f")
            np.save(hdtf / "audio_smooth" / f"{person}_{number}.npy", windows[number - 1])
    (tmp_path / "data_train.txt").write_text("1_1\n1_2\n")
    (tmp_path / "data_test.txt").write_text("2_1\n")
    return hdtf


def test_unbroken_runs_of_a_release_become_clips_with_its_own_features(folder: Path):
    assert release.is_release(folder)
    assert not release.is_release(folder.parent)
    pieces = release.plan(folder)
    assert [(piece.name, piece.split) for piece in pieces] == [("HDTF-1", "train"), ("HDTF-2", "test")]
    made = release.make(pieces[0].what, 128)
    clip = made.clips[0]
    assert (len(made.clips), len(clip.pictures), clip.name, len(clip.wave)) == (1, 55, "HDTF-1-000001", 0)
    np.testing.assert_allclose(clip.landmarks[0, [36, 42]].mean(0), (61, 46), atol=4)
    features = np.random.default_rng(0).random((2 * COUNT, 29)).astype(np.float32)
    np.testing.assert_array_equal(clip.features, features[:110])
    assert made.account.left_out_s == {"too short in between": 0.16}


def test_damaged_frames_refuse_their_person_by_name(folder: Path):
    frames = release.plan(folder)[0].what
    for file, damage, said in (
        ("landmarks/1_9.lms", b"1 2\n3 4\n", "it holds (2, 2), not 68 lines of x y"),
        ("audio_smooth/1_8.npy", b"no array", "no windows can be read"),
        ("images/1_7.jpg", b"no picture", "it is no picture that can be read"),
    ):
        (folder / file).write_bytes(damage)
        made = release.make(frames, 128)
        assert made.clips == []
        assert made.account.refused is not None
        assert str(folder / file) in made.account.refused
        assert said in made.account.refused


def test_names_and_lists_that_cannot_be_understood_are_refused(folder: Path):
    (folder.parent / "data_test.txt").write_text("1_9\n")
    with pytest.raises(TakesError, match="person 1 is in the other part, too"):
        release.plan(folder)
    (folder / "images" / "cover.jpg").touch()
    with pytest.raises(TakesError, match="'cover' should be a person and a frame"):
        release.plan(folder)
