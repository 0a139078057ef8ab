import numpy as np

from services.talkinghead.difftalk.configuration import SMALL
from services.talkinghead.training.pairs import PairGroup, make_pairs
from tests.talkinghead.training.conftest import FRAMES


def test_still_clips_are_drafted_from_rest_and_from_another_frame(clips, tmp_path):
    assert make_pairs(clips / "train", tmp_path) == 3
    assert len(list(tmp_path.glob("*-rest.npz"))) == len(list(tmp_path.glob("*-other.npz"))) == 3
    assert not list(tmp_path.glob("0002-*"))  # its head moves

    group = PairGroup.load(tmp_path / "0000-rest.npz")
    window = SMALL.window
    assert group.drafts.shape == group.targets.shape == (FRAMES - 1, window.height, window.width, 3)
    assert group.audio.shape == (FRAMES - 1, 8, 16, 11)
    assert group.frame_numbers.tolist() == list(range(2, 2 * FRAMES, 2))


def test_a_draft_puts_the_lower_lip_where_the_truth_has_it(clips, tmp_path):
    make_pairs(clips / "train", tmp_path)
    group = PairGroup.load(tmp_path / "0000-rest.npz")
    widest = int(np.argmax([lowest_lip_row(target) for target in group.targets]))
    truth = lowest_lip_row(group.targets[widest])
    assert truth - lowest_lip_row(group.reference) > 2
    assert abs(truth - lowest_lip_row(group.drafts[widest])) <= 1


def lowest_lip_row(picture: np.ndarray) -> int:
    """The last row with the drawn lips' red."""
    red = (picture[..., 0].astype(int) - picture[..., 1] > 80).sum(1)
    return int(np.flatnonzero(red >= 3)[-1])


def test_what_is_there_already_is_left_alone(clips, tmp_path):
    make_pairs(clips / "train", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert make_pairs(clips / "train", tmp_path) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
