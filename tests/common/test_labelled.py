from dataclasses import dataclass

import pytest

from services.common.errors import ProblemError
from services.common.labelled import check_labelled


@dataclass(frozen=True)
class Story:
    id: str
    label: str


ENOUGH = [Story("1", "friends"), Story("2", "family"), Story("3", "friends"), Story("4", "family")]


def test_stories_of_known_labels_with_ids_of_their_own_are_taken():
    check_labelled(ENOUGH, ["friends", "family"], fewest=2)


@pytest.mark.parametrize(
    ("stories", "param", "rule"),
    [
        (ENOUGH[:3], "stories", "there are 3; 2 labels need at least 4"),
        ([*ENOUGH, Story("5", "foes")], "stories.4.label", "'foes' is not one of"),
        ([*ENOUGH, Story("2", "friends")], "stories.4.id", "'2' stands there twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(stories: list[Story], param: str, rule: str):
    with pytest.raises(ProblemError, match=rule) as caught:
        check_labelled(stories, ["friends", "family"], fewest=2)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)
