from pathlib import Path

import numpy as np
import pytest

from services.talkinghead.footage.shard import Footage, StoredClip
from services.talkinghead.training.pairs import draft_each, draw_reference, draw_source


@pytest.fixture
def clip(footage: Path) -> StoredClip:
    clip: StoredClip = Footage(footage, "train")[0]
    return clip


def lowest_lip_row(picture: np.ndarray) -> int:
    """The last row with the drawn lips' red."""
    red = (picture[..., 0].astype(int) - picture[..., 1] > 80).sum(1)
    return int(np.flatnonzero(red >= 3)[-1])


def test_a_draft_puts_the_lower_lip_where_the_truth_has_it(clip: StoredClip):
    pictures, landmarks = clip.pictures(), clip.landmarks
    widest = int(np.argmax([lowest_lip_row(picture) for picture in pictures]))
    truth = lowest_lip_row(pictures[widest])
    assert truth - lowest_lip_row(pictures[0]) > 2
    (draft,) = draft_each(pictures[0], landmarks[0], landmarks[[widest]], np.random.default_rng(0), exact=False)
    assert abs(truth - lowest_lip_row(draft)) <= 1


def test_exact_landmarks_are_made_wrong_half_of_the_time(clip: StoredClip):
    square, landmarks = clip.pictures([0])[0], clip.landmarks
    drafts = [
        draft_each(square, landmarks[0], landmarks[[5]], np.random.default_rng(seed), exact=True)[0]
        for seed in range(12)
    ]
    right = draft_each(square, landmarks[0], landmarks[[5]], np.random.default_rng(0), exact=False)[0]
    assert 2 <= sum(np.array_equal(draft, right) for draft in drafts) <= 10


def test_the_reference_is_another_picture(clip: StoredClip):
    targets = np.arange(5)
    rng = np.random.default_rng(0)
    drawn = {draw_reference(clip, targets, rng) for _ in range(200)}
    assert drawn == set(range(5, len(clip)))
    assert not {draw_source(clip, targets, rng) for _ in range(200)} & set(range(5))


def test_the_source_of_a_draft_holds_its_head_as_the_target_does(clip: StoredClip, monkeypatch: pytest.MonkeyPatch):
    turned = clip.landmarks.copy()
    turned[10:] += 8  # pixels
    monkeypatch.setattr(StoredClip, "landmarks", property(lambda _: turned))
    rng = np.random.default_rng(0)
    assert {draw_source(clip, np.array([2]), rng) for _ in range(100)} <= set(range(10))
    assert {draw_source(clip, np.array([20]), rng) for _ in range(100)} <= set(range(10, 24))
