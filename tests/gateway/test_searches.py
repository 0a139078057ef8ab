"""Prompt searches and evaluations as jobs: real searches of a language model without weights, in small slices."""

import pytest

from services.common.errors import ProblemError
from services.reasoning.prompt import builtin_prompts
from tests.gateway.conftest import Stack, wait_for

CUES = {"family": "hugs", "friends": "laughs with", "commercial": "pays"}
STORIES = [
    {"id": f"{label}-{n}", "story": f"<P1> {cue} <P2> on day {n}.", "pair": ["P1", "P2"], "label": label}
    for n in range(8)
    for label, cue in CUES.items()
]
SHIPPED = builtin_prompts()["pisc"]
POOLS = {
    "taxonomy": "pisc",
    "system": [SHIPPED.system, "You are a detective.", "You judge."],
    "expectation": [SHIPPED.expectation],
    "context": [SHIPPED.context],
    "guidance": [SHIPPED.guidance, "Small gestures decide.", "Look at the place."],
}
ONE_EVENT = 1e-6
"""A slice of no time holds one event, however fast the machine is."""
SEARCH = {"stories": STORIES, "pools": POOLS, "options": {"proposer": "halving", "steps": 3}}


def start(stack: Stack, path: str, body: dict, **headers: str) -> dict:
    answer = stack.http.post(f"/v1/{path}", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_a_search_ends_with_a_report_and_a_prompt_that_can_be_activated(stack: Stack):
    job = start(stack, "prompt-searches", SEARCH)
    assert job["input"]["options"]["estimate"]["search"] > 1000 and job["input"]["stories"] == len(STORIES)
    done = stack.wait(job["id"])
    assert done["status"] == "succeeded", done
    output = done["output"]
    assert output["steps"] == 3 and output["best"]["validation_loss"] < output["start"]["validation_loss"]
    page = stack.http.get(f"/v1/jobs/{job['id']}/content")
    assert page.headers["Content-Type"].startswith("text/html") and "McNemar" in page.text
    prompt = stack.http.get(f"/v1/prompts/{output['prompt_id']}").json()
    assert prompt["figures"] == output["test"] and prompt["model"] == output["model"]
    assert f"pisc@{prompt['hash']}" == output["best"]["identity"] and prompt["parent"] == output["start"]["identity"]
    assert prompt["calibration"]["model"] == output["model"] and not prompt["active"]
    assert stack.http.delete(f"/v1/prompts/{output['prompt_id']}").status_code == 204


def test_what_a_search_would_cost_is_told_without_a_job(stack: Stack):
    before = stack.http.get("/v1/jobs").json()["jobs"]
    priced = SEARCH | {"options": SEARCH["options"] | {"money": 1.0, "price_per_million_tokens": 2.0}}
    told = stack.http.post("/v1/prompt-searches/estimate", json=priced).json()
    assert told["search"] > told["step"] > 0
    assert told["money"] == pytest.approx(told["search"] / 1e6 * 2.0, abs=1e-4)
    assert stack.http.get("/v1/jobs").json()["jobs"] == before

    wrong = stack.http.post("/v1/prompt-searches/estimate", json=SEARCH | {"stories": STORIES[:3]})
    assert (wrong.status_code, wrong.json()["param"]) == (422, "stories")


def test_the_stage_tells_the_current_and_the_best_loss_and_no_slice_is_computed_twice(stack: Stack):
    stack.fakes.slice_s, stack.fakes.segment_s = ONE_EVENT, 0.02
    job = start(stack, "prompt-searches", SEARCH | {"options": {"proposer": "random", "steps": 4, "patience": 9}})
    stages = set()

    def finished() -> bool:
        now = stack.job(job["id"])
        stages.add(now["stage"])
        return now["status"] == "succeeded"

    wait_for(finished)
    assert any(stage.startswith("loss ") and ", best " in stage for stage in stages)
    assert stack.fakes.slices == sorted(set(stack.fakes.slices)) and len(stack.fakes.slices) > 3


def test_killed_with_its_worker_it_goes_on_with_all_events(stack: Stack):
    stack.fakes.slice_s, stack.fakes.segment_s = ONE_EVENT, 0.2
    job = start(stack, "prompt-searches", SEARCH | {"options": {"proposer": "random", "steps": 3, "patience": 9}})
    wait_for(lambda: len(stack.fakes.slices) >= 3)
    stack.worker.kill()
    before = list(stack.fakes.slices)
    stack.fakes.segment_s = 0.0
    stack.worker.start()
    done = stack.wait(job["id"])
    assert done["status"] == "succeeded" and done["attempt"] >= 2
    resumed = stack.fakes.slices[len(before)]
    assert resumed >= before[-1] > 0  # with what the last whole slice had brought


def test_a_long_search_lets_other_jobs_go_first(stack: Stack):
    stack.fakes.slice_s, stack.fakes.segment_s = ONE_EVENT, 0.05
    search = start(stack, "prompt-searches", SEARCH | {"options": {"proposer": "random", "steps": 9, "patience": 9}})
    wait_for(lambda: stack.job(search["id"])["status"] == "running")
    judged = start(stack, "evaluations", {"stories": STORIES})
    stack.wait(judged["id"])
    now = stack.job(search["id"])
    assert now["status"] in ("queued", "running"), now
    stack.http.post(f"/v1/jobs/{search['id']}/cancel").raise_for_status()
    assert stack.wait(search["id"])["status"] == "canceled"


def test_an_evaluation_judges_every_story_once_and_gives_the_figures(stack: Stack):
    stack.fakes.slice_s = 0.001
    done = stack.wait(start(stack, "evaluations", {"stories": STORIES})["id"])
    assert done["status"] == "succeeded", done
    assert done["output"]["n"] == len(STORIES) and 0 <= done["output"]["accuracy"] <= 1
    assert stack.fakes.slices == sorted(set(stack.fakes.slices))
    figures = stack.http.get(f"/v1/jobs/{done['id']}/content").json()
    assert figures["confusion"] == done["output"]["confusion"]


def test_a_key_makes_one_job_and_stories_go_with_the_job(stack: Stack):
    key = {"Idempotency-Key": "search-1"}
    one = start(stack, "evaluations", {"stories": STORIES}, **key)
    two = start(stack, "evaluations", {"stories": STORIES}, **key)
    assert one["id"] == two["id"]
    stack.wait(one["id"])
    wait_for(lambda: not [name for name in stack.stored() if one["id"] in name and "question.json" in name])
    assert b"hugs" not in stack.database_bytes()
    other = stack.http.post("/v1/evaluations", json={"stories": STORIES[:-1]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"stories": STORIES[:3]}, "stories"),
        ({"stories": [STORIES[0] | {"label": "foes"}, *STORIES[1:]]}, "stories.0.label"),
        ({"stories": [*STORIES, STORIES[0]]}, f"stories.{len(STORIES)}.id"),
        ({"options": {"proposer": "gradient"}}, "proposer"),
        ({"options": {"proposer": "luck"}}, "options.proposer"),
        ({"options": {"money": 1.0}}, "options"),
        ({"stories": []}, "stories"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_job_is_made(stack: Stack, change: dict, param: str):
    answer = stack.http.post("/v1/prompt-searches", json=SEARCH | change)
    assert (answer.status_code, answer.json()["param"]) == (422, param), answer.text


def test_a_service_that_is_gone_for_a_moment_does_not_end_a_search(stack: Stack):
    stack.fakes.faults += [ProblemError("service_unavailable", "gone"), ProblemError("overloaded", "busy")]
    done = stack.wait(start(stack, "prompt-searches", SEARCH | {"options": {"proposer": "random", "steps": 1}})["id"])
    assert done["status"] == "succeeded"
