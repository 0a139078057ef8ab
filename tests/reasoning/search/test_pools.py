import re

import pytest

from services.common.errors import ProblemError
from services.reasoning.prompt import SEGMENTS, builtin_prompts
from services.reasoning.search.pools import START, Pools, builtin_pools, check_pools, differing, pools_for
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.search.stories import POOLS, TAXONOMY, make_stories


@pytest.mark.parametrize("taxonomy", ["pisc", "pipa"])
class TestShippedPools:
    def test_there_are_fifteen_texts_for_each_segment(self, taxonomy: str):
        assert builtin_pools()[taxonomy].sizes == (15, 15, 15, 15)

    def test_none_is_there_twice_and_every_context_names_every_label(self, taxonomy: str):
        check_pools(builtin_pools()[taxonomy], builtin_taxonomies()[taxonomy], [])

    def test_the_search_starts_at_the_default_prompt(self, taxonomy: str):
        assert builtin_pools()[taxonomy].prompt(START) == builtin_prompts()[taxonomy]

    def test_every_example_answers_with_a_label_of_the_taxonomy(self, taxonomy: str):
        names = {label.name for label in builtin_taxonomies()[taxonomy].labels}
        for text in builtin_pools()[taxonomy].guidance:
            answers = re.findall(r"Relation of <P\d> and <P\d>: ([^.]+)\.", text)
            assert answers and set(answers) <= names


def test_a_pool_that_copies_a_labelled_story_is_refused():
    stories = [story.story for story in make_stories(1)]
    told = "<P1> stands at the till. A dog of his waits outside in the rain for him."
    leaking = POOLS.model_copy(update={"guidance": ["Look well.", f"Example: {told} Relation: trade."]})
    with pytest.raises(ProblemError, match="copies a labelled story") as caught:
        check_pools(leaking, TAXONOMY, [*stories, told])
    assert caught.value.param == "pools.guidance"
    check_pools(leaking, TAXONOMY, stories)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": ["kin, mates, trade.", "kin and mates."]}, "pools.context.1: it does not name trade"),
        ({"system": ["You judge.", "You  judge."]}, "pools.system.1: it is text 0 over again"),
    ],
)
def test_a_lost_label_and_a_text_given_twice_are_refused(change: dict, said: str):
    with pytest.raises(ProblemError, match=said):
        check_pools(POOLS.model_copy(update=change), TAXONOMY, [])


def test_neighbours_differ_in_one_segment():
    found = POOLS.neighbours((0, 1, 2, 0))
    assert len(set(found)) == 8 and all(len(differing(choice, (0, 1, 2, 0))) == 1 for choice in found)


def test_an_own_taxonomy_has_a_pool_for_system_and_its_own_definitions():
    pools = pools_for(TAXONOMY)
    assert pools.sizes == (15, 1, 1, 1) and "trade" in pools.context[0]


def test_a_prompt_changes_its_hash_with_every_choice():
    hashes = {POOLS.prompt(choice).content_hash for choice in [START, *POOLS.neighbours(START)]}
    assert len(hashes) == 9


def test_segments_are_the_fields_of_a_prompt():
    assert set(SEGMENTS) < set(Pools.model_fields)
