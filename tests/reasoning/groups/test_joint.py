import itertools

import numpy as np
import pytest

from services.reasoning.calibration import log_softmax
from services.reasoning.groups.joint import agree, exact, max_product, score
from services.reasoning.groups.rules import Rule, rules_of, table, triangles
from services.reasoning.pipeline import Reasoner
from services.reasoning.schemas import RelationsRequest
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.fake_llm import FakeModel

LABELS = ["family", "friends", "couple"]
RULES = [
    Rule(name="kin", two=("family", "family"), third=("family",), weight=1.4),
    Rule(name="partner", two=("couple", "family"), third=("family",), weight=0.8),
    Rule(name="one partner", two=("couple", "couple"), third=("family", "friends", "couple"), weight=-2.0),
]


def pairs_of(n: int) -> list[tuple[str, str]]:
    return list(itertools.combinations([f"P{i + 1}" for i in range(n)], 2))


def guesses(n_pairs: int, n_labels: int, seed: int, spread: float = 1.0) -> np.ndarray:
    return log_softmax(np.random.default_rng(seed).normal(0, spread, (n_pairs, n_labels)))


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_labelling_is_the_best_of_all(seed: int):
    pairs = pairs_of(4)
    logprobs, sides, weights = guesses(6, 3, seed), triangles(pairs), table(RULES, LABELS)
    best = max(itertools.product(range(3), repeat=6), key=lambda c: score(np.array(c), logprobs, sides, weights))
    found = exact(logprobs, sides, weights)
    assert score(found, logprobs, sides, weights) == pytest.approx(score(np.array(best), logprobs, sides, weights))


@pytest.mark.parametrize("taxonomy", ["pisc", "pipa"])
def test_six_people_are_solved_exactly_and_never_worse_than_by_messages(taxonomy: str):
    labels = [label.name for label in builtin_taxonomies()[taxonomy].labels]
    pairs = pairs_of(6)
    logprobs, sides, weights = guesses(15, len(labels), 0), triangles(pairs), table(rules_of(taxonomy), labels)
    certain, alone = exact(logprobs, sides, weights), logprobs.argmax(axis=1)
    by_messages = max_product(logprobs, sides, weights)
    highest, passed, start = (score(c, logprobs, sides, weights) for c in (certain, by_messages, alone))
    assert highest >= passed - 1e-6 and passed >= start


def test_two_sure_pairs_carry_an_unsure_third():
    logprobs = np.log([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.4, 0.45, 0.15]])
    joint = agree(pairs_of(3), logprobs, LABELS, RULES)
    assert joint is not None and joint.method == "exact"
    assert [LABELS[index] for index in joint.choice] == ["family", "family", "family"]
    assert [(fired.rule.name, fired.pairs) for fired in joint.fired] == [("kin", tuple(pairs_of(3)))]


def test_a_sure_pair_is_not_overruled():
    logprobs = np.log([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.001, 0.998, 0.001]])
    joint = agree(pairs_of(3), logprobs, LABELS, RULES)
    assert joint is not None and LABELS[joint.choice[2]] == "friends" and joint.fired == []


def test_beyond_six_people_messages_are_passed():
    pairs = pairs_of(8)
    logprobs = np.tile(np.log([0.5, 0.4, 0.1]), (len(pairs), 1))
    logprobs[0] = np.log([0.44, 0.46, 0.1])
    joint = agree(pairs, logprobs, LABELS, RULES)
    assert joint is not None and joint.method == "loopy max-product"
    assert {LABELS[index] for index in joint.choice} == {"family"}


def test_without_triangles_or_rules_nothing_is_joined():
    assert agree(pairs_of(2), guesses(1, 3, 0), LABELS, RULES) is None
    assert agree(pairs_of(3), guesses(3, 3, 0), LABELS, []) is None
    assert agree(pairs_of(3), guesses(3, 2, 0), ["rivals", "hosts"], RULES) is None


def test_an_answer_tells_labels_alone_and_together_and_which_rules_fired():
    model = FakeModel(cues={"kin": "family", "chat": "friends"})
    story = "<P1>, <P2> and <P3> are kin of kin."
    answer = Reasoner(model, {}).relate(RelationsRequest(story=story, explain=False), lambda: None)
    assert answer.group is not None and {found.label for found in answer.group.labels} == {"family"}
    assert "a relative's relative is a relative" in [fired.rule for fired in answer.group.fired]
    two = Reasoner(model, {}).relate(RelationsRequest(story=story, pairs=[("P1", "P2")], explain=False), lambda: None)
    assert two.group is None
