"""Prompts by the API: stored, activated, rolled back, and asked with."""

import pytest

from services.reasoning.prompt import Prompt, builtin_prompts
from tests.gateway.conftest import Stack
from tests.gateway.made_media import picture
from tests.gateway.test_photos import OWN

SHIPPED = builtin_prompts()["pisc"]
PROMPT = {
    "taxonomy": "pisc",
    "name": "mine",
    "system": "You judge with care.",
    "expectation": SHIPPED.expectation,
    "context": SHIPPED.context,
    "guidance": "Look at the hands.",
}
STORY = {"story": "<P1> and <P2> stand there."}


@pytest.fixture(autouse=True)
def no_prompts(stack: Stack):
    yield
    for prompt in stack.http.get("/v1/prompts").json()["prompts"]:
        stack.http.delete(f"/v1/prompts/{prompt['id']}").raise_for_status()


def create(stack: Stack, **change: object) -> dict:
    answer = stack.http.post("/v1/prompts", json=PROMPT | change)
    assert answer.status_code == 201, answer.text
    return answer.json()


def asked_with(stack: Stack, taxonomy: str = "pisc") -> str | None:
    """The name of the prompt that a question about relations takes along."""
    stack.http.post("/v1/relations", json=STORY | {"taxonomy": taxonomy}).raise_for_status()
    prompt = stack.fakes.prompts[-1]
    return prompt and prompt.name


def test_a_version_is_stored_with_the_hash_that_answers_will_tell(stack: Stack):
    made = create(stack, parent=SHIPPED.identity, model="tiny@1", figures={"accuracy_after": 0.5})
    segments = {segment: PROMPT[segment] for segment in ("system", "expectation", "context", "guidance")}
    assert made["hash"] == Prompt(name="mine", taxonomy="pisc", **segments).content_hash
    assert (made["parent"], made["model"], made["figures"]) == (SHIPPED.identity, "tiny@1", {"accuracy_after": 0.5})
    assert made["active"] is False and asked_with(stack) is None
    assert stack.http.get(f"/v1/prompts/{made['id']}").json() == made


def test_the_prompts_that_ship_are_shown_with_their_segments(stack: Stack):
    shipped = {prompt["taxonomy"]: prompt for prompt in stack.http.get("/v1/prompts/shipped").json()}
    assert sorted(shipped) == ["pipa", "pisc"]
    assert shipped["pisc"]["guidance"] == SHIPPED.guidance
    assert f"{shipped['pisc']['name']}@{shipped['pisc']['hash']}" == SHIPPED.identity


def test_an_active_prompt_answers_for_its_taxonomy_alone(stack: Stack):
    made = create(stack)
    assert stack.http.post(f"/v1/prompts/{made['id']}/activate").json()["active"] is True
    assert (asked_with(stack), asked_with(stack, "pipa")) == ("mine", None)
    (listed,) = stack.http.get("/v1/prompts?taxonomy=pisc").json()["prompts"]
    assert listed["active"] is True and stack.http.get("/v1/prompts?taxonomy=pipa").json()["prompts"] == []


def test_rolling_back_undoes_activations_one_by_one(stack: Stack):
    first, second = create(stack, name="first"), create(stack, name="second")
    for prompt in (first, second, second):  # activated again, it is there once
        stack.http.post(f"/v1/prompts/{prompt['id']}/activate").raise_for_status()
    names = []
    for _ in range(2):
        names.append(asked_with(stack))
        now = stack.http.post("/v1/prompts/rollback?taxonomy=pisc").json()
    assert names == ["second", "first"] and now == {"taxonomy": "pisc", "prompt": None}
    assert asked_with(stack) is None
    nothing = stack.http.post("/v1/prompts/rollback?taxonomy=pisc")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")


def test_a_question_names_its_prompt_and_the_active_one_stays(stack: Stack):
    first, second = create(stack, name="first"), create(stack, name="second")
    stack.http.post(f"/v1/prompts/{first['id']}/activate").raise_for_status()
    photo = {"photo": ("p.png", picture("people=2"), "image/png")}
    for wanted in (second["id"], "shipped"):
        stack.http.post("/v1/relations", json=STORY | {"prompt": wanted}).raise_for_status()
        stack.http.post("/v1/relations", files=photo, data={"prompt": wanted}).raise_for_status()
    asked = [prompt and prompt.name for prompt in stack.fakes.prompts]
    assert asked == ["second", "second", None, None] and asked_with(stack) == "first"


@pytest.mark.parametrize(
    ("asked", "status", "rule"),
    [
        ({"prompt": "nothing"}, 404, "'nothing' does not exist"),
        ({"prompt": "{id}", "taxonomy": "pipa"}, 422, "is one of pisc; the taxonomy that is asked about is pipa"),
        ({"prompt": "{id}", "taxonomy": OWN}, 422, "cannot ask about labels of your own"),
    ],
)
def test_a_prompt_that_does_not_fit_the_question_is_refused(stack: Stack, asked: dict, status: int, rule: str):
    wanted = asked["prompt"].format(id=create(stack)["id"])
    answer = stack.http.post("/v1/relations", json=STORY | asked | {"prompt": wanted})
    assert (answer.status_code, answer.json()["param"]) == (status, "prompt")
    assert rule in answer.json()["detail"]


def test_the_direct_route_takes_no_prompt(stack: Stack):
    photo = {"photo": ("p.png", picture("people=2"), "image/png")}
    answer = stack.http.post("/v1/relations", files=photo, data={"story": "off", "prompt": "shipped"})
    assert (answer.status_code, answer.json()["param"]) == (422, "prompt")


def test_an_erased_prompt_answers_no_more(stack: Stack):
    first, second = create(stack, name="first"), create(stack, name="second")
    for prompt in (first, second):
        stack.http.post(f"/v1/prompts/{prompt['id']}/activate").raise_for_status()
    assert stack.http.delete(f"/v1/prompts/{second['id']}").status_code == 204
    assert asked_with(stack) == "first"
    assert stack.http.get(f"/v1/prompts/{second['id']}").status_code == 404


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"context": "friends and family."}, "context"),
        ({"taxonomy": "own"}, "taxonomy"),
        ({"system": ""}, "system"),
        ({"name": "a/b"}, "name"),
        ({"note": "x"}, "note"),
    ],
)
def test_a_prompt_that_could_not_answer_is_refused(stack: Stack, change: dict, param: str):
    answer = stack.http.post("/v1/prompts", json=PROMPT | change)
    assert (answer.status_code, answer.json()["param"]) == (422, param)
