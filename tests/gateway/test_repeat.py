"""What failed or was canceled is made again, whatever its kind."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.jobs.records import new_id
from gateway.storage import Storage
from gateway.store.tables import LOCAL
from services.common.errors import ProblemError
from tests.gateway.conftest import Stack, on_every_store, wait_for
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture
from tests.gateway.test_searches import SEARCH, STORIES


def failed(stack: Stack) -> dict:
    stack.fakes.faults.append(ProblemError("face_too_small", "portrait: too small", param="portrait"))
    job = stack.wait(stack.submit(1.0)["id"])
    assert job["status"] == "failed"
    return job


def repeat(stack: Stack, job_id: str) -> dict:
    answer = stack.http.post(f"/v1/jobs/{job_id}/repeat")
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_it_is_made_of_the_same_files_under_the_same_consent(stack: Stack):
    first = failed(stack)
    again = stack.wait(repeat(stack, first["id"])["id"])

    assert again["status"] == "succeeded"
    assert again["id"] != first["id"]
    assert again["input"] == first["input"]
    said, said_again = (json.loads(stack.database.audit.entries(job["id"])[0].details) for job in (first, again))
    assert said["consent"]["subject"]
    assert said_again == said | {"repeats": first["id"]}


def test_its_files_go_with_the_new_job(stack: Stack):
    first = failed(stack)
    again = stack.wait(repeat(stack, first["id"])["id"])
    files = [again["input"][name] for name in ("portrait", "speech")]

    stack.http.delete(f"/v1/jobs/{first['id']}").raise_for_status()
    assert all(stack.http.get(f"/v1/files/{file}").status_code == 200 for file in files)
    stack.http.delete(f"/v1/jobs/{again['id']}").raise_for_status()
    assert all(stack.http.get(f"/v1/files/{file}").status_code == 404 for file in files)


def test_a_canceled_one_is_made_again_while_its_twin_is_not(stack: Stack):
    stack.fakes.segment_s = 5
    job = stack.submit(1.0)
    stack.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    stack.wait(job["id"])
    stack.fakes.segment_s = 0
    again = repeat(stack, job["id"])
    twice = stack.http.post(f"/v1/jobs/{job['id']}/repeat")

    assert (twice.status_code, twice.json()["code"]) == (409, "job_not_repeatable")
    assert again["id"] in twice.json()["detail"]
    assert stack.wait(again["id"])["status"] == "succeeded"


def test_what_succeeded_is_not_made_again(stack: Stack):
    good = stack.wait(stack.submit(1.0)["id"])
    refused = stack.http.post(f"/v1/jobs/{good['id']}/repeat")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_repeatable")
    assert "it is succeeded" in refused.json()["detail"]
    assert stack.http.post("/v1/jobs/nothing/repeat").status_code == 404


def canceled(stack: Stack, path: str, **sent: Any) -> dict:
    """A job that ran when it was canceled."""
    stack.fakes.segment_s = stack.fakes.thinking_s = 60
    answer = stack.http.post(path, **sent)
    assert answer.status_code == 202, answer.text
    stack.wait(answer.json()["id"], "running")
    stack.http.post(f"/v1/jobs/{answer.json()['id']}/cancel").raise_for_status()
    job = stack.wait(answer.json()["id"])
    assert job["status"] == "canceled"
    stack.fakes.segment_s = stack.fakes.thinking_s = 0
    return job


def left(stack: Stack, job_id: str) -> set[str]:
    """Names of what is in a job's folder."""
    return {name.rpartition("/")[2] for name in stack.stored() if job_id in name.rpartition("/")[0]}


NARRATION = {"portrait": picture("a face"), "photo": picture("people=2")}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/evaluations", {"json": {"stories": STORIES}}),
        ("/v1/narrations", {"files": NARRATION, "data": CONSENT}),
        ("/v1/narrations", {"files": {"portrait": picture("a face")}, "data": CONSENT | {"script": "Good morning."}}),
    ],
    ids=["evaluation", "narration of a photo", "narration of a script"],
)
@on_every_store
def test_every_kind_is_made_again_of_what_it_was_asked(stack: Stack, path: str, sent: dict):
    first = canceled(stack, path, **sent)
    looks = stack.fakes.looks
    again = stack.wait(repeat(stack, first["id"])["id"])

    assert again["status"] == "succeeded", again["error"]
    assert (again["kind"], again["input"]) == (first["kind"], first["input"])
    assert stack.fakes.looks == looks  # a photo that was looked at is gone; what was seen in it is not
    twice = stack.http.post(f"/v1/jobs/{first['id']}/repeat")
    assert (twice.status_code, twice.json()["code"]) == (409, "job_not_repeatable")
    wait_for(lambda: not left(stack, first["id"]) and not left(stack, again["id"]))


def test_a_search_that_failed_is_made_again_from_its_beginning(stack: Stack):
    stack.fakes.faults.append(ProblemError("invalid_request", "stories: not these"))
    sent = SEARCH | {"options": {"proposer": "random", "steps": 1}}
    first = stack.wait(stack.http.post("/v1/prompt-searches", json=sent).json()["id"])
    assert first["status"] == "failed"
    wait_for(lambda: left(stack, first["id"]) == {"question.json"})
    again = stack.wait(repeat(stack, first["id"])["id"])
    assert again["status"] == "succeeded"
    stack.http.delete(f"/v1/prompts/{again['output']['prompt_id']}").raise_for_status()


@on_every_store
def test_a_photo_that_nobody_could_look_at_is_kept_for_the_next_try_and_no_longer(stack: Stack):
    stack.fakes.blind = True
    first = canceled(stack, "/v1/narrations", files=NARRATION, data=CONSENT)
    wait_for(lambda: left(stack, first["id"]) == {"question.json", "photo"})
    stack.fakes.blind = False
    again = stack.wait(repeat(stack, first["id"])["id"])
    assert again["status"] == "succeeded" and stack.fakes.looks == 1
    wait_for(lambda: not left(stack, again["id"]))


@on_every_store
def test_what_was_asked_is_erased_with_a_job_that_came_to_nothing(stack: Stack):
    job = canceled(stack, "/v1/evaluations", json={"stories": STORIES})
    wait_for(lambda: left(stack, job["id"]) == {"question.json"})
    stack.http.delete(f"/v1/jobs/{job['id']}").raise_for_status()
    assert not left(stack, job["id"])


@on_every_store
def test_where_the_new_job_cannot_be_stored_the_old_one_keeps_what_it_was_asked(stack: Stack):
    job = canceled(stack, "/v1/evaluations", json={"stories": STORIES})
    mine = stack.database.of(LOCAL)

    def fail(_: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, OSError("disk full"))

    sa.event.listen(mine._engine, "commit", fail)
    try:
        with pytest.raises(sa.exc.OperationalError):
            mine.repeat(job["id"], new_id(), Storage.of(stack.settings).hand_on_workspace)
    finally:
        sa.event.remove(mine._engine, "commit", fail)

    assert stack.wait(repeat(stack, job["id"])["id"])["status"] == "succeeded"
