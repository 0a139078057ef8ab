import numpy as np
import pytest

from services.perception.detect.objects import Detection
from services.perception.detect.people import Subject, find_people, largest, match_faces, match_poses, people_in_boxes
from tests.perception.figures import STANDING, box, face, pose, subject

WIDTH, HEIGHT = 1000, 400


def body(x0: float, y0: float, x1: float, y1: float, *, score: float = 0.8, name: str = "person") -> Detection:
    return Detection(name, box(x0, y0, x1, y1), score)


class TestFindPeople:
    def test_people_come_from_left_to_right_whatever_the_detectors_order(self):
        bodies = [body(500, 0, 600, 300), body(0, 0, 100, 300), body(250, 0, 350, 300)]
        people = find_people(bodies, [], [face(550, 30), face(300, 30), face(50, 30)], WIDTH, HEIGHT)
        assert [float(person.box[0]) for person in people] == [0, 250, 500]
        assert all(person.face is not None for person in people)

    def test_a_small_left_and_a_large_right_person_keep_their_own_face_and_pose(self):
        small, large = pose(STANDING, 20, 200, 0.4), pose(STANDING, 400, 0, 1.2)
        bodies = [body(400, 0, 520, 360), body(20, 200, 60, 320)]
        faces = [face(460, 36, 36), face(40, 212, 12)]
        left, right = find_people(bodies, [large, small], faces, WIDTH, HEIGHT)
        assert (left.face, left.pose) == (faces[1], small)
        assert (right.face, right.pose) == (faces[0], large)

    def test_a_child_in_front_of_a_parent_keeps_its_own_face(self):
        parent, child = body(100, 0, 300, 400), body(160, 200, 240, 400)
        faces = [face(200, 240, 26), face(200, 40, 36)]
        people = find_people([parent, child], [], faces, WIDTH, HEIGHT)
        by_height = sorted(people, key=lambda person: float(person.box[1]))
        assert [person.face for person in by_height] == [faces[1], faces[0]]

    def test_cheek_to_cheek_each_nose_belongs_to_the_nearer_face(self):
        faces = [face(100, 50, 40), face(136, 50, 40)]
        left, right = pose({"nose": (100, 52)}), pose({"nose": (119, 52)})  # both noses are in the left face's margin
        people = find_people([], [right, left], faces, WIDTH, HEIGHT)
        assert [person.pose for person in people] == [left, right]

    def test_a_face_without_a_body_is_a_person(self):
        (person,) = find_people([], [], [face(500, 100, 40)], WIDTH, HEIGHT)
        assert person.box[0] < 480 and person.box[3] > 200

    def test_a_body_and_a_pose_of_one_person_are_one_person(self):
        assert len(find_people([body(0, 0, 100, 300)], [pose(STANDING)], [], WIDTH, HEIGHT)) == 1

    def test_a_pose_that_no_box_covers_is_a_person(self):
        people = find_people([body(0, 0, 100, 300)], [pose(STANDING), pose(STANDING, 400)], [], WIDTH, HEIGHT)
        assert len(people) == 2 and people[1].pose is not None

    def test_a_box_round_a_group_is_not_one_more_person(self):
        bodies = [body(0, 0, 100, 300), body(110, 0, 210, 300), body(0, 0, 210, 300, score=0.6)]
        assert len(find_people(bodies, [], [face(50, 30), face(160, 30)], WIDTH, HEIGHT)) == 2

    def test_an_unsure_box_alone_is_nobody(self):
        assert find_people([body(0, 0, 100, 300, score=0.39)], [], [], WIDTH, HEIGHT) == []

    def test_a_dogs_face_is_nobody(self):
        assert find_people([body(0, 0, 200, 200, name="dog")], [], [face(100, 60)], WIDTH, HEIGHT) == []

    def test_things_are_nobody(self):
        assert find_people([body(0, 0, 200, 200, name="chair")], [], [], WIDTH, HEIGHT) == []

    def test_a_box_stays_in_the_photo_and_holds_its_face(self):
        (person,) = find_people([body(-20, 20, 120, 390)], [], [face(50, 30)], WIDTH, 350)
        assert person.box.tolist() == [0, 15, 120, 350]


class TestPeopleInBoxes:
    def test_people_come_in_the_callers_order_with_the_callers_boxes(self):
        boxes = [box(400, 0, 500, 300), box(0, 0, 100, 300)]
        people = people_in_boxes(boxes, [pose(STANDING), pose(STANDING, 400)], [face(50, 30), face(450, 30)])
        assert [person.box.tolist() for person in people] == [boxes[0].tolist(), boxes[1].tolist()]
        assert [float(person.face.box[0]) for person in people if person.face] == [435, 35]
        assert [float(person.pose.box[0]) for person in people if person.pose] == [400, 0]

    def test_an_earlier_box_does_not_take_the_pose_that_fits_a_later_one_better(self):
        theirs = pose(STANDING, 40)
        first, second = people_in_boxes([box(0, 0, 140, 300), box(40, 0, 140, 300)], [theirs], [])
        assert first.pose is None and second.pose is theirs

    def test_a_pose_whose_nose_is_in_anothers_face_is_not_mine(self):
        mine, theirs = face(50, 30), face(60, 150)
        low_nose = pose(STANDING | {"nose": (60, 150)})
        boxes = [box(0, 0, 100, 300), box(0, 110, 100, 300)]
        assert [person.pose for person in people_in_boxes(boxes, [low_nose], [mine, theirs])] == [None, low_nose]

    def test_an_empty_place_gets_neither_face_nor_pose(self):
        (person,) = people_in_boxes([box(700, 0, 800, 300)], [pose(STANDING)], [face(50, 30)])
        assert (person.face, person.pose, person.score) == (None, None, 1.0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_faces_go_to_the_box_whose_top_they_are_near(order: tuple[int, int]):
    boxes = [box(0, 0, 200, 400), box(50, 200, 150, 400)]
    faces = [face(100, 40, 40), face(100, 235, 40)]
    assert match_faces([boxes[i] for i in order], faces) == {0: order.index(0), 1: order.index(1)}


def test_one_face_is_given_once():
    assert len(match_faces([box(0, 0, 100, 300), box(0, 0, 100, 300)], [face(50, 30)])) == 1


def test_a_pose_is_given_to_one_person_only():
    assert match_poses([subject(0), subject(5)], [pose(STANDING)]) == {0: 0}


def test_the_largest_keep_their_order():
    people = [Subject(box(0, 0, side, side), 0.9) for side in (30, 10, 20)]
    assert [float(person.box[2]) for person in largest(people, 2)] == [30, 20]
    assert np.array_equal(largest(people, 5)[1].box, people[1].box)
