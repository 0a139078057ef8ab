import cv2
import numpy as np
import pytest

from services.common.faces import Face
from services.perception.ask.attributes import FaceModels, face_answers, mean_point, posture_answer
from services.perception.pipeline import Perception
from services.perception.schemas import Answer, Story
from tests.perception.conftest import Pixels, model
from tests.perception.figures import STANDING, face, pose

SITTING = {"left_knee": (75, 175), "right_knee": (25, 175), "left_ankle": (75, 240), "right_ankle": (25, 240)}


@pytest.fixture(scope="module")
def models() -> FaceModels:
    return FaceModels(model("age_gender"), model("age_gender_second"), model("expression"))


@pytest.fixture(scope="module")
def officer_face(perception: Perception, officer: Pixels) -> Face:
    found = perception.detector(officer).people[0].face
    assert found is not None
    return found


def one(models: FaceModels, pixels: Pixels, face: Face) -> dict[str, Answer]:
    (answers,) = face_answers(models, pixels, [face])
    return answers


class TestPosture:
    @pytest.mark.parametrize(("parts", "posture"), [(STANDING, "standing"), (STANDING | SITTING, "sitting")])
    def test_legs_tell(self, parts: dict[str, tuple[float, float]], posture: str):
        found = posture_answer(pose(parts))
        assert found is not None and (found.value, found.score) == (posture, pytest.approx(0.9))

    def test_one_leg_is_less_sure(self):
        found = posture_answer(pose({name: at for name, at in STANDING.items() if "right" not in name}))
        assert found is not None and found.score == pytest.approx(0.75)

    def test_legs_that_disagree_tell_nothing(self):
        assert posture_answer(pose(STANDING | {"left_knee": (75, 175)})) is None

    def test_hidden_knees_tell_nothing(self):
        assert posture_answer(pose({name: at for name, at in STANDING.items() if "knee" not in name})) is None

    def test_someone_upside_down_neither_sits_nor_stands(self):
        assert posture_answer(pose({name: (x, 300 - y) for name, (x, y) in STANDING.items()})) is None


class TestFace:
    @pytest.mark.parametrize(("nose", "gaze"), [(-0.5, "left"), (0, "camera"), (0.1, "camera"), (0.5, "right")])
    def test_gaze_is_told_as_seen_in_the_picture(self, models: FaceModels, nose: float, gaze: str):
        pixels = np.full((200, 200, 3), 128, np.uint8)
        assert one(models, pixels, face(100, 100, 80, nose_offset=nose))["gaze"].value == gaze

    def test_of_a_face_that_the_photo_cuts_nobody_says_where_it_looks(self, models: FaceModels):
        pixels = np.full((200, 200, 3), 128, np.uint8)
        for x in (38, 162):
            answers = one(models, pixels, face(x, 100, 80))
            assert "gaze" not in answers and "age" in answers

    def test_a_dark_look_of_a_turned_head_is_half_believed(
        self, models: FaceModels, officer: Pixels, officer_face: Face
    ):
        front = one(models, officer, officer_face)["expression"]
        turned = officer_face.landmarks.copy()
        turned[30] += 0.4 * (turned[42:48].mean(0) - turned[36:42].mean(0))  # the nose is far off the middle
        side = one(models, officer, Face(officer_face.box, officer_face.score, turned))["expression"]
        assert front.value == side.value == "neutral"
        assert side.score < 0.6 * front.score

    def test_a_face_answers_with_scores_and_the_model_that_gave_them(
        self, models: FaceModels, officer: Pixels, officer_face: Face
    ):
        answers = one(models, officer, officer_face)
        assert set(answers) == {"age", "gender", "expression", "gaze"}
        assert all(0 < answer.score <= 1 and answer.model for answer in answers.values())
        assert 60 <= int(answers["age"].value) <= 90  # she was 78

    def test_a_tilted_head_is_set_upright_first(self, models: FaceModels, officer: Pixels, officer_face: Face):
        turn = cv2.getRotationMatrix2D((256, 300), 25, 1.0)
        tilted = np.asarray(cv2.warpAffine(officer, turn, (512, 600)), np.uint8)
        points = (officer_face.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
        straight = one(models, officer, officer_face)
        leaning = one(models, tilted, Face(officer_face.box, 0.9, points))
        assert int(leaning["age"].value) == pytest.approx(int(straight["age"].value), abs=6)
        assert leaning["gaze"] == straight["gaze"]

    def test_a_small_face_is_less_sure(self, models: FaceModels, officer: Pixels, officer_face: Face):
        small = np.asarray(cv2.resize(officer, None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA), np.uint8)
        tiny = Face(officer_face.box / 10, 0.9, officer_face.landmarks / 10)
        assert one(models, small, tiny)["age"].score < one(models, officer, officer_face)["age"].score


def test_the_mean_is_of_the_points_that_are_seen():
    mean = mean_point([None, np.array([2, 4], np.float32), np.array([4, 8], np.float32)])
    assert mean is not None and mean.tolist() == [3, 6]
    assert mean_point([None, None]) is None

    def test_of_several_faces_each_has_the_answers_it_has_alone(
        self, models: FaceModels, friends: Pixels, friends_story: Story
    ):
        faces = [
            Face(np.array(person.face_box, np.float32), 0.9, np.array(person.face_landmarks, np.float32))
            for person in friends_story.people
        ]
        together = face_answers(models, friends, faces)
        for answers, face_ in zip(together, faces, strict=True):
            alone = one(models, friends, face_)
            assert {name: answer.value for name, answer in answers.items()} == {
                name: answer.value for name, answer in alone.items()
            }
        assert face_answers(models, friends, []) == []
