from services.perception.ask.holding import holders, tie_wearers
from services.perception.detect.people import Subject
from tests.perception.figures import box, face, subject, thing

# Of a standing figure at x, the wrists are at x + 15 and x + 85, 150 px below its top.


def test_the_thing_at_a_wrist_is_held():
    held = holders([subject(0), subject(200)], [thing("O1", "cup", (280, 145, 300, 165))])
    assert {index: answer.value for index, answer in held.items()} == {1: "O1"}
    assert held[1].score == 0.8  # at the wrist itself nothing is lost


def test_the_nearer_hand_holds_it():
    left, right = subject(0), subject(80)
    held = holders([left, right], [thing("O1", "cup", (86, 145, 90, 155))])  # 1 px from one wrist, 5 px from the other
    assert list(held) == [0]


def test_what_is_out_of_reach_is_not_held():
    assert holders([subject(0)], [thing("O1", "cup", (200, 145, 220, 165))]) == {}


def test_what_nobody_carries_is_not_held():
    assert holders([subject(0)], [thing("O1", "couch", (80, 100, 200, 200))]) == {}


def test_an_unsure_thing_is_not_held():
    assert holders([subject(0)], [thing("O1", "cup", (80, 145, 90, 155), score=0.3)]) == {}


def test_one_thing_a_person_the_surest():
    things = [thing("O1", "cup", (80, 145, 90, 155)), thing("O2", "book", (10, 145, 20, 155), score=0.6)]
    assert holders([subject(0)], things)[0].value == "O1"


def test_without_forearms_nothing_is_held():
    faceless = Subject(box(0, 0, 100, 300), 0.9, face(50, 30))
    assert holders([faceless], [thing("O1", "cup", (40, 145, 60, 165))]) == {}


def test_a_tie_goes_to_the_one_under_whose_head_it_hangs():
    wide = Subject(box(0, 0, 300, 300), 0.9, face(50, 30))  # the left one's box reaches over the right one
    tie = thing("O1", "tie", (245, 80, 255, 140))
    assert list(tie_wearers([wide, subject(200)], [tie])) == [1]
    assert list(tie_wearers([subject(200), wide], [tie])) == [0]


def test_a_tie_above_every_head_or_outside_every_box_is_worn_by_nobody():
    ties = [thing("O1", "tie", (45, 0, 55, 20)), thing("O2", "tie", (400, 80, 410, 140))]
    assert tie_wearers([subject(0)], ties) == {}
