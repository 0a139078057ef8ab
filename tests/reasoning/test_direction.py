import re

import numpy as np
import pytest
from pydantic import ValidationError

from services.reasoning.direction import first_has_first_role
from services.reasoning.pipeline import Reasoner
from services.reasoning.schemas import Label, RelationsRequest
from services.reasoning.taxonomy import builtin_taxonomies
from tests.reasoning.fake_llm import FakeModel, FakePrefix

STORY = "<P1> listens, and <P2> explains sums on a blackboard."


class RoleModel(FakeModel):
    """Knows who teaches, likes one symbol and whoever is named first."""

    teacher = "P2"

    def label_logprobs(self, prefix: FakePrefix, questions, labels):
        if not all(re.fullmatch(r"<P\d+>", label) for label in labels):
            return super().label_logprobs(prefix, questions, labels)
        return np.array(
            [[self._weight(prefix.pieces[-1] + question, label) for label in labels] for question in questions]
        )

    def _weight(self, question: str, label: str) -> float:
        role = question.rsplit("The ", 1)[1].removesuffix(" is")
        knows = 1.0 if (role == "teacher") == (label == f"<{self.teacher}>") else 0.0
        likes = 5.0 if label == "<P1>" else 0.0
        named_first = 4.0 if question.index(label) < 16 else 0.0
        return knows + likes + named_first


@pytest.mark.parametrize("pair", [("P1", "P2"), ("P2", "P1")])
def test_the_role_is_found_whatever_symbol_or_place_the_model_likes(pair: tuple[str, str]):
    model = RoleModel()
    p = first_has_first_role(model, model.read([STORY]), pair, "teacher-student", ("teacher", "student"))
    assert p == pytest.approx(1 / (1 + np.exp(1.0 if pair[0] == "P1" else -1.0)))


def test_a_directed_relation_tells_who_is_who_and_a_symmetric_one_does_not():
    model = RoleModel(cues={"blackboard": "teacher-student"})
    question = RelationsRequest(story=STORY, taxonomy="pipa", explain=False)
    (relation,) = Reasoner(model, {}).relate(question, lambda: None).relations
    assert relation.label == "teacher-student" and relation.roles is not None
    assert relation.roles.people == {"teacher": "P2", "student": "P1"} and relation.roles.probability > 0.5
    (friends,) = Reasoner(FakeModel(cues={"blackboard": "friends"}), {}).relate(question, lambda: None).relations
    assert friends.roles is None


def test_an_abstained_relation_has_no_roles():
    model = RoleModel(cues={"blackboard": "teacher-student"})
    question = RelationsRequest(story=STORY, taxonomy="pipa", explain=False, abstain_below=1.0)
    (relation,) = Reasoner(model, {}).relate(question, lambda: None).relations
    assert relation.abstained and relation.roles is None


def test_roles_are_read_off_the_name_or_given():
    labels = {label.name: label for label in builtin_taxonomies()["pipa"].labels}
    assert labels["leader-subordinate"].roles == ("leader", "subordinate") and labels["siblings"].roles is None
    own = Label(name="care", definition="One cares.", symmetric=False, roles=("carer", "cared for"))
    assert own.roles == ("carer", "cared for")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"name": "care", "symmetric": False}, "two roles"),
        ({"name": "a-b-c", "symmetric": False}, "two roles"),
        ({"name": "care", "symmetric": False, "roles": ("one", "one")}, "must differ"),
        ({"name": "care", "roles": ("carer", "cared for")}, "symmetric"),
    ],
)
def test_roles_that_do_not_fit_are_refused(fields: dict, rule: str):
    with pytest.raises(ValidationError, match=rule):
        Label(definition="One cares.", **fields)
