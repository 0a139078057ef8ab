"""All jobs of a caller by one stream."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Stack

PATH = "/v1/jobs/events"


def told(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """(event id, job) as they come."""
    number = ""
    for line in answer.iter_lines():
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])


def test_a_job_is_told_from_its_making_to_its_end(stack: Stack):
    stack.fakes.segment_s = 1.5  # longer than changes are waited for
    with stack.http.stream("GET", PATH) as events:
        job = stack.submit(1.0)
        seen = []
        for _, change in told(events):
            if change["id"] == job["id"]:
                seen.append(change["status"])
            if seen and seen[-1] == "succeeded":
                break

    assert list(dict.fromkeys(seen))[-1] == "succeeded"
    assert "running" in seen


def test_what_was_missed_is_told_after_a_break_and_nothing_before_it(stack: Stack):
    before = stack.wait(stack.submit(1.0)["id"])
    time.sleep(2.1)  # what changed shortly before the break may be told again
    moment = time.time()
    missed = stack.wait(stack.submit(1.0)["id"])

    with stack.http.stream("GET", PATH, headers={"Last-Event-ID": f"{moment:.6f}"}) as events:
        number, change = next(told(events))
    assert (change["id"], change["status"]) == (missed["id"], "succeeded")
    assert change["id"] != before["id"]
    assert float(number) > moment


def test_nothing_is_told_twice(stack: Stack):
    moment = time.time()
    jobs = {stack.submit(1.0)["id"] for _ in range(2)}
    seen: list[tuple[str, str, int, str]] = []
    with stack.http.stream("GET", PATH, headers={"Last-Event-ID": f"{moment:.6f}"}) as events:
        for _, change in told(events):
            if change["id"] in jobs:
                seen.append((change["id"], change["status"], change["steps_done"], change["stage"]))
            if {name for name, status, *_ in seen if status == "succeeded"} >= jobs:
                break

    finished = [entry for entry in seen if entry[1] == "succeeded"]
    assert len(finished) == len(set(finished)) == 2


def test_more_changes_at_once_than_a_page_holds_are_all_told(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.api.events._AT_ONCE", 2)
    moment = time.time()
    jobs = {stack.wait(stack.submit(1.0)["id"])["id"] for _ in range(4)}

    with stack.http.stream("GET", PATH, headers={"Last-Event-ID": f"{moment:.6f}"}) as events:
        found: set[str] = set()
        for _, change in told(events):
            found.add(change["id"])
            if found >= jobs:
                break


def test_an_id_that_is_none_is_refused(stack: Stack):
    answer = stack.http.get(PATH, headers={"Last-Event-ID": "yesterday"})

    assert (answer.status_code, answer.json()["param"]) == (422, "Last-Event-ID")
