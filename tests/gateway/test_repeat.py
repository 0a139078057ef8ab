"""A video that failed or was canceled is made again."""

import json

from services.common.errors import ProblemError
from tests.gateway.conftest import Stack


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


def test_a_job_whose_question_is_gone_says_so(stack: Stack):
    story = {"story": "<P1> meets <P2>.", "pair": ["P1", "P2"], "label": "friends"}
    stories = [story | {"id": str(n)} for n in range(4)]
    stack.fakes.segment_s = 5
    job = stack.http.post("/v1/evaluations", json={"stories": stories}).json()
    stack.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    stack.wait(job["id"])
    refused = stack.http.post(f"/v1/jobs/{job['id']}/repeat")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_repeatable")
