import pickle
from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.footage.shard import Footage, FootageError, shard_bytes
from tests.talkinghead.footage.conftest import FRAMES, make_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "b.safetensors").write_bytes(shard_bytes([make_clip("three")]))
    (tmp_path / "train" / "a.safetensors").write_bytes(
        shard_bytes([make_clip("one"), make_clip("two2", rendered=True)])
    )
    return tmp_path


def test_what_was_written_is_read_again(folder: Path):
    clips = Footage(folder, "train")
    assert [clip.name for clip in clips] == ["one", "two2", "three"]
    stored, made = clips[1], make_clip("two2", rendered=True)
    assert made.known is not None
    assert (stored.identity, stored.source, stored.start_s, stored.square_px) == ("two2", "drawn", 1.5, 128)
    assert (stored.rendered, stored.still, stored.open_rest) == (True, True, False)
    assert (stored.phones, stored.text, stored.voice) == ([(0.0, "a"), (0.25, "")], "Ah.", "en-us+f1")
    for name in ("landmarks", "places", "wave", "actions", "loudness"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(made, name))
    np.testing.assert_array_equal(stored.known_actions, made.known.actions)


def test_pictures_are_decoded_one_by_one_and_near_to_what_they_were(folder: Path):
    clip = Footage(folder, "train")[0]
    assert len(clip) == FRAMES
    everything = clip.pictures()
    assert everything.shape == (FRAMES, 128, 128, 3)
    np.testing.assert_array_equal(clip.pictures([4, 0]), everything[[4, 0]])
    np.testing.assert_array_equal(clip.pictures(slice(1, 3)), everything[1:3])
    lips = everything[0, 84, 64].astype(int)
    assert lips[0] - lips[1] > 80  # their red is whole


def test_the_inside_of_a_mouth_is_exact_and_known_of_rendered_faces_only(folder: Path):
    real, rendered, _ = Footage(folder, "train")
    assert np.unique(rendered.inner_mouth([0, 1])).tolist() == [0, 255]
    assert (rendered.inner_mouth()[1::2] == 255).all()
    for ask in (real.inner_mouth, lambda: real.known_actions, lambda: real.features):
        with pytest.raises(KeyError, match="the clip holds no"):
            ask()


def test_clips_travel_to_other_processes(folder: Path):
    clip = pickle.loads(pickle.dumps(Footage(folder, "train")[2]))  # noqa: S301 - our own
    np.testing.assert_array_equal(clip.landmarks, make_clip("three").landmarks)


def test_a_set_without_clips_and_other_files_are_refused(folder: Path):
    with pytest.raises(FootageError, match="no clip in it"):
        Footage(folder, "test")
    for content in (b"", b"no shard", (folder / "train" / "b.safetensors").read_bytes()[:5000]):
        (folder / "train" / "c.safetensors").write_bytes(content)
        with pytest.raises(FootageError, match=r"c\.safetensors: it is no shard"):
            Footage(folder, "train")
