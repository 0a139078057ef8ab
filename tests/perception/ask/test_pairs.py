import pytest

from services.perception.ask.pairs import head, pair_answers, shoulder_width
from services.perception.detect.people import Subject
from services.perception.schemas import Answer
from tests.perception.figures import STANDING, answer, box, face, pose, subject

# A standing figure at x has its head at (x + 50, 30), shoulders 60 px wide by its face and wrists at x + 15 and x + 85.


def values(
    first: Subject,
    second: Subject,
    mine: dict[str, Answer] | None = None,
    theirs: dict[str, Answer] | None = None,
    neighbours: bool = True,
) -> dict[str, str]:
    found = pair_answers(first, second, mine or {}, theirs or {}, neighbours=neighbours)
    return {name: answer.value for name, answer in found.items()}


def gaze(value: str) -> dict[str, Answer]:
    return {"gaze": answer(value)}


def test_the_side_is_where_the_second_is():
    assert values(subject(0), subject(300))["side"] == "right"
    assert values(subject(300), subject(0))["side"] == "left"


@pytest.mark.parametrize(
    ("apart_px", "distance"),
    [(80, "side by side"), (120, "within reach"), (200, "a few steps apart"), (400, "far apart")],
)
def test_distance_is_told_in_widths_of_the_shoulders(apart_px: float, distance: str):
    assert values(subject(0), subject(apart_px))["distance"] == distance
    assert values(subject(0, scale=3), subject(3 * apart_px, scale=3))["distance"] == distance


def test_a_much_smaller_face_away_from_the_other_stands_further_back():
    assert values(subject(0), subject(300, scale=0.5))["distance"] == "one further back"


class TestTouch:
    def test_wrists_that_meet_are_hands_together(self):
        assert values(subject(0), subject(80))["touch"] == "hands_together"

    def test_wrists_apart_are_not(self):
        assert "touch" not in values(subject(0), subject(150))

    def test_an_arm_round_tells_whose_it_is(self):
        holder = subject(0, left_wrist=(160, 75))  # at the far shoulder of the one at 90
        held = subject(90, left_wrist=(85, 200), right_wrist=(15, 200))
        assert values(holder, held)["touch"] == "first_arm_round"
        assert values(held, holder)["touch"] == "second_arm_round"

    def test_a_hand_on_the_near_shoulder_is_no_arm_round(self):
        pointing = subject(0, left_wrist=(110, 75))
        assert "touch" not in values(pointing, subject(90, left_wrist=(85, 200), right_wrist=(15, 200)))

    def test_heads_that_lean_together(self):
        first, second = (Subject(box(x, 0, x + 100, 300), 0.9, face(x + 50, 30)) for x in (0, 33))
        assert values(first, second)["touch"] == "heads_together"

    def test_a_wrist_that_is_not_seen_touches_nothing(self):
        handless = {name: at for name, at in STANDING.items() if "wrist" not in name}
        first, second = (Subject(box(x, 0, x + 100, 300), 0.9, face(x + 50, 30), pose(handless, x)) for x in (0, 80))
        assert "touch" not in values(first, second)

    def test_people_far_apart_do_not_touch(self):
        stretched = subject(0, left_wrist=(415, 150))
        assert "touch" not in values(stretched, subject(400))


class TestLooks:
    @pytest.mark.parametrize(
        ("mine", "theirs", "looks"),
        [
            ("right", "left", "face_each_other"),
            ("right", "camera", "first_at_second"),
            ("camera", "left", "second_at_first"),
            ("camera", "camera", "both_camera"),
            ("left", "left", "both_left"),
            ("left", "camera", None),
            ("left", "right", None),
        ],
    )
    def test_heads_say_who_looks_where(self, mine: str, theirs: str, looks: str | None):
        assert values(subject(0), subject(200), gaze(mine), gaze(theirs)).get("looks") == looks

    def test_swapping_the_people_swaps_the_look(self):
        assert values(subject(200), subject(0), gaze("camera"), gaze("right"))["looks"] == "second_at_first"

    def test_someone_between_them_may_be_the_one_looked_at(self):
        assert "looks" not in values(subject(0), subject(400), gaze("right"), gaze("camera"), neighbours=False)

    def test_nothing_is_said_of_a_head_that_is_not_seen(self):
        assert "looks" not in values(subject(0), subject(200), gaze("right"), {})


def test_the_age_gap_counts_from_the_first_to_the_second():
    mine, theirs = {"age": answer("40", 0.9)}, {"age": answer("8", 0.6)}
    gap = pair_answers(subject(0), subject(200), mine, theirs, neighbours=True)["age_gap"]
    assert (gap.value, gap.score) == ("-32", 0.6)
    assert "age_gap" not in values(subject(0), subject(200), mine, {})


def test_head_and_shoulders_are_found_without_face_or_pose():
    bare = Subject(box(0, 0, 100, 300), 0.9)
    assert head(bare).tolist() == pytest.approx([50, 36])
    assert shoulder_width(bare) == 100
    posed = Subject(box(0, 0, 100, 300), 0.9, None, pose(STANDING))
    assert head(posed).tolist() == [50, 30]
    assert shoulder_width(posed) == pytest.approx(40)


class TestDress:
    """Likeness of clothes, as of people in uniform."""

    @staticmethod
    def dress(first: dict[str, str], second: dict[str, str]) -> str | None:
        told = [{name: answer(value) for name, value in worn.items()} for worn in (first, second)]
        found = pair_answers(subject(), subject(150), *told, neighbours=True).get("dress")
        return found.value if found else None

    def test_the_same_garment_of_a_kind_worn_by_rule_is_a_uniform(self):
        assert self.dress({"garment": "a lab coat"}, {"garment": "a lab coat"}) == "uniform"

    @pytest.mark.parametrize("worn", ["a suit", "a T-shirt"])
    def test_what_anybody_wears_is_none(self, worn: str):
        assert self.dress({"garment": worn}, {"garment": worn}) is None

    def test_the_same_colours_above_and_below_are_alike(self):
        both = {"top_colour": "red", "bottom_colour": "white"}
        assert self.dress(both, both) == "alike"
        assert self.dress(both, both | {"bottom_colour": "blue"}) is None
        assert self.dress({"top_colour": "red"}, {"top_colour": "red"}) is None
