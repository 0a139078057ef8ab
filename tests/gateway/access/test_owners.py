"""What belongs to one owner does not exist for another: every route that takes an id."""

import re
from collections.abc import Callable

import httpx
import pytest

from tests.gateway.access.conftest import Guarded
from tests.gateway.access.test_guard import all_calls
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav
from tests.gateway.test_prompts import PROMPT

Caller = Callable[..., httpx.Client]

WITHOUT_ID = {
    "/v1/files",
    "/v1/jobs",
    "/v1/jobs/events",
    "/v1/videos",
    "/v1/narrations",
    "/v1/narrations/scripts",
    "/v1/stories",
    "/v1/graphs",
    "/v1/overlays",
    "/v1/prompts/shipped",
    "/v1/prompt-searches/estimate",
    "/v1/relations",
    "/v1/verify",
    "/v1/voices",
    "/v1/prompts",
    "/v1/prompts/rollback",
    "/v1/prompt-searches",
    "/v1/evaluations",
    "/v1/webhooks",
    "/metrics",
}


@pytest.fixture
def things(caller: Caller) -> tuple[httpx.Client, dict[str, str]]:
    """Ann with a file and a finished job -> her client, and by what in a path stands for her id."""
    ann = caller("ann")
    file_id = ann.post("/v1/files", files={"file": picture("a face")}).json()["id"]
    answer = ann.post("/v1/videos", data=CONSENT | {"portrait_id": file_id, "text": "Good morning."})
    job_id = answer.json()["id"]
    assert '"status":"succeeded"' in ann.get(f"/v1/jobs/{job_id}/events").text
    prompt_id = ann.post("/v1/prompts", json=PROMPT).json()["id"]
    webhook_id = ann.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}).json()["id"]
    return ann, {"files": file_id, "jobs": job_id, "prompts": prompt_id, "webhooks": webhook_id}


def test_every_route_with_an_id_answers_a_stranger_as_if_there_were_nothing(
    guarded: Guarded, caller: Caller, things: tuple[httpx.Client, dict[str, str]]
):
    ann, ids = things
    bob = caller("bob")
    asked = 0
    for method, pattern in all_calls(guarded):
        found = re.fullmatch(r"/v1/(files|jobs|prompts|webhooks)/1(.*)", pattern)
        if found is None:
            continue
        kind, rest = found.groups()
        asked += 1
        theirs = bob.request(method, f"/v1/{kind}/{ids[kind]}{rest.replace('/1.m4s', '/0.m4s')}")
        nobodys = bob.request(method, f"/v1/{kind}/{'0' * 32}{rest}")
        assert theirs.status_code == nobodys.status_code == 404, (method, pattern)
        if method != "HEAD":
            blank = {"request_id": "", "detail": ""}
            assert theirs.json() | blank == nobodys.json() | blank, (method, pattern)
    assert asked >= 23
    assert ann.get(f"/v1/files/{ids['files']}").status_code == 200  # nothing was erased
    assert ann.get(f"/v1/jobs/{ids['jobs']}").json()["status"] == "succeeded"
    assert ann.get(f"/v1/prompts/{ids['prompts']}").json()["active"] is False
    assert ann.delete(f"/v1/webhooks/{ids['webhooks']}").status_code == 204


def test_every_route_is_in_the_matrix_or_takes_no_id(guarded: Guarded):
    rest = {path for _, path in all_calls(guarded) if path.startswith("/v1/")} - WITHOUT_ID
    assert all(re.match(r"/v1/(files|jobs|prompts|webhooks)/1", path) for path in rest), rest


def test_the_stream_of_all_jobs_tells_nothing_of_anothers(caller: Caller, things: tuple[httpx.Client, dict[str, str]]):
    _, ids = things
    heard = {}
    for owner in ("ann", "bob"):
        with caller(owner).stream("GET", "/v1/jobs/events", headers={"Last-Event-ID": "0"}) as events:
            # What there is comes before the first sign of life.
            heard[owner] = ""
            for text in events.iter_text():
                heard[owner] += text
                if ids["jobs"] in heard[owner] or ": still here" in text:
                    break

    assert ids["jobs"] in heard["ann"]
    assert heard["bob"] == ": still here\n\n"


def test_anothers_file_cannot_be_used_for_a_job(caller: Caller, things: tuple[httpx.Client, dict[str, str]]):
    _, ids = things
    answer = caller("bob").post("/v1/videos", data=CONSENT | {"portrait_id": ids["files"], "text": "Good morning."})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_list_holds_ones_own_jobs_alone(caller: Caller, things: tuple[httpx.Client, dict[str, str]]):
    ann, ids = things

    assert ids["jobs"] in {job["id"] for job in ann.get("/v1/jobs").json()["jobs"]}
    assert caller("bob").get("/v1/jobs", params={"cursor": "f" * 32}).json()["jobs"] == []


def test_two_owners_may_use_the_same_idempotency_key(caller: Caller):
    made = set()
    for owner in ("ann", "bob"):
        files = {"portrait": picture("a face"), "speech": wav(0.2 if owner == "ann" else 0.3)}
        answer = caller(owner).post("/v1/videos", files=files, data=CONSENT, headers={"Idempotency-Key": "monday"})
        made.add(answer.json()["id"])

    assert len(made) == 2


def test_keys_of_one_owner_share_everything(caller: Caller, things: tuple[httpx.Client, dict[str, str]]):
    _, ids = things
    assert caller("ann").get(f"/v1/jobs/{ids['jobs']}").status_code == 200
