from pathlib import Path

import pytest

from services.common.settings import REPOSITORY
from services.reasoning.groups.rules import Rule, learn, load_groups, rules_of, table, triangles
from services.reasoning.taxonomy import builtin_taxonomies

FAMILY = Rule(name="kin", two=("family", "family"), third=("family",))
PARTNERS = Rule(name="one partner", two=("couple", "couple"), third=("family", "friends"))


def test_a_rule_stands_whichever_pair_is_its_third():
    rule = Rule(name="partner", two=("couple", "family"), third=("friends",))
    assert rule.matches(("family", "friends", "couple")) and rule.matches(("couple", "family", "friends"))
    assert not rule.matches(("couple", "couple", "friends"))


def test_triangles_need_all_three_pairs():
    pairs = [("P1", "P2"), ("P3", "P1"), ("P2", "P3"), ("P3", "P4")]
    assert triangles(pairs) == [(0, 1, 2)]
    assert triangles(pairs[1:]) == []


def test_weights_tell_how_much_more_often_than_by_chance_a_pattern_stands():
    kin = {("P1", "P2"): "family", ("P1", "P3"): "family", ("P2", "P3"): "family"}
    mates = dict.fromkeys(kin, "friends")
    learned = {rule.name: rule.weight for rule in learn([FAMILY, PARTNERS], [kin, mates] * 10)}
    # 10 of 20 triangles are families, (1/2)^3 of 20 would be by chance; 2 are added to both
    assert learned["kin"] == pytest.approx(0.9808, abs=1e-4)
    assert learned["one partner"] == 0.0
    broken = dict(zip(kin, ("family", "family", "friends"), strict=True))
    assert learn([FAMILY], [broken, mates] * 10)[0].weight < 0


def test_a_table_adds_up_the_rules_of_each_three_labels():
    labels = ["family", "friends"]
    rules = [
        Rule(name="kin", two=("family", "family"), third=("family",), weight=2.0),
        Rule(name="strangers", two=("family", "family"), third=("friends",), weight=-1.0),
    ]
    found = table(rules, labels)
    assert found[0, 0, 0] == 2.0 and found[0, 1, 0] == found[1, 0, 0] == found[0, 0, 1] == -1.0
    assert found[1, 1, 1] == 0.0


@pytest.mark.parametrize("taxonomy", ["pisc", "pipa"])
def test_the_shipped_rules_are_what_is_learned_from_the_shipped_groups(taxonomy: str):
    rules = rules_of(taxonomy)
    groups = load_groups(REPOSITORY / "weights" / "reasoning" / "groups" / f"{taxonomy}.jsonl")
    labels = {label.name for label in builtin_taxonomies()[taxonomy].labels}
    assert learn(rules, groups) == list(rules) and any(rule.weight < 0 for rule in rules)
    assert {label for rule in rules for label in (*rule.two, *rule.third)} <= labels
    assert {label for group in groups for label in group.values()} <= labels


def test_groups_without_a_triangle_teach_nothing():
    with pytest.raises(ValueError, match="three people"):
        learn([FAMILY], [{("P1", "P2"): "family"}])


@pytest.mark.parametrize("line", ['{"pairs": {"P1": "family"}}', "no json", '{"group": "x"}'])
def test_a_line_that_is_no_group_is_named(tmp_path: Path, line: str):
    path = tmp_path / "groups.jsonl"
    path.write_text(f'{{"pairs": {{"P1 P2": "family"}}}}\n{line}\n')
    with pytest.raises(ValueError, match=r"groups\.jsonl:2"):
        load_groups(path)
