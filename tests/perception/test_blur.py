import numpy as np

from services.common.faces import FaceFinder
from services.perception.blur import with_faces_hidden
from services.perception.pipeline import Perception
from services.perception.schemas import Story
from tests.perception.conftest import WEIGHTS, Pixels, told


def test_only_heads_are_changed_and_the_photo_itself_is_not(friends: Pixels):
    before = friends.copy()
    hidden = with_faces_hidden(friends, [np.array([100, 100, 160, 160], np.float32)])
    assert (friends == before).all()
    changed = np.argwhere((hidden != friends).any(axis=2))
    assert changed.min() >= 100 - 0.35 * 60 - 1 and changed.max() <= 160 + 0.35 * 60 + 1


def test_a_head_is_left_as_a_few_soft_patches(friends: Pixels):
    hidden = with_faces_hidden(friends, [np.array([500, 250, 620, 370], np.float32)])[250:370, 500:620]
    assert np.abs(np.diff(hidden.astype(int), axis=1)).max() < 12  # no edge is left


def test_no_head_changes_nothing(friends: Pixels):
    assert (with_faces_hidden(friends, []) == friends).all()


class TestOfTheFriends:
    def test_no_face_is_left_to_be_found(self, perception: Perception, friends: Pixels):
        hidden = with_faces_hidden(friends, perception.detector.heads(friends))
        assert FaceFinder.load(WEIGHTS, threads=1).find(hidden) == []

    def test_people_are_told_without_what_faces_tell(
        self, perception: Perception, friends: Pixels, friends_story: Story
    ):
        story = told(perception, friends, blur_faces=True)
        assert "blur" in story.timings_s
        assert [person.box for person in story.people] == [person.box for person in friends_story.people]
        for person in story.people:
            assert person.face_box is None and person.face_landmarks is None
            assert not {"age", "gender", "expression", "gaze"} & set(person.attributes)
