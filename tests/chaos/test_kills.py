"""Processes that die at any moment."""

import random
import time
from collections.abc import Callable

import pytest

from tests.chaos.house import TERMINAL, House, pick, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

RECOVERY_S = 15.0
"""After kill -9 of a worker or a service its job goes on within this."""

Recovered = Callable[[str, float], None]


def test_a_killed_workers_job_goes_on_at_another(place: House, recovered: Recovered):
    place.start(segment_s=0.5)
    job = place.submit(seconds=4.0)
    holder = place.holder(job)
    before, began = place.row(job), time.monotonic()
    place.kill_worker(holder)
    place.wait_taken_up(job, before)
    took_s = time.monotonic() - began
    recovered("kill_worker: another has its job", took_s)

    assert place.settle([job]) == {"succeeded": 1}
    assert place.row(job).attempt == 2
    assert took_s <= RECOVERY_S


def test_a_killed_childs_job_goes_on(place: House, recovered: Recovered):
    place.start(segment_s=0.5)
    job = place.submit(seconds=4.0)
    holder = place.holder(job)
    before, began = place.row(job), time.monotonic()
    assert place.kill_child(holder)
    place.wait_taken_up(job, before)
    took_s = time.monotonic() - began
    recovered("kill_child: a worker has its job", took_s)

    assert place.settle([job]) == {"succeeded": 1}
    assert took_s <= RECOVERY_S


def test_a_killed_service_is_waited_for_and_costs_no_attempt(place: House, recovered: Recovered):
    place.start(segment_s=0.5)
    job = place.submit(seconds=4.0)
    wait_for(lambda: place.row(job).steps_done >= 1)
    place.kill_service()
    before, began = place.row(job).steps_done, time.monotonic()
    place.service.start()
    wait_for(place.service_is_ready)
    recovered("kill_service: ready again", time.monotonic() - began)
    began = time.monotonic()
    wait_for(lambda: place.row(job).steps_done > before)
    took_s = time.monotonic() - began
    recovered("kill_service: the next segment is there", took_s)

    assert place.settle([job]) == {"succeeded": 1}
    assert place.row(job).attempt == 1
    assert took_s <= RECOVERY_S  # how long a service takes to start is its models' affair


def test_a_killed_gateway_keeps_what_it_accepted(place: House, recovered: Recovered):
    place.start(segment_s=0.2)
    jobs = [place.submit() for _ in range(6)]
    began = time.monotonic()
    place.kill_gateway()
    place.gateway.start()
    wait_for(place.gateway_is_ready)
    recovered("kill_gateway: ready again, its start included", time.monotonic() - began)

    assert place.settle(jobs) == {"succeeded": 6}


def test_two_hundred_jobs_with_a_kill_every_two_seconds(place: House, recovered: Recovered):
    place.start(segment_s=0.05)
    chance = random.Random(7)  # noqa: S311 - no secret
    jobs = [place.submit() for _ in range(200)]
    kills, began = 0, time.monotonic()
    while any(row.status not in TERMINAL for row in place.rows(jobs)):
        assert time.monotonic() - began < 1500
        time.sleep(2)
        worker = pick(chance, place.workers)
        # A child comes back in a moment; a worker takes seconds to start, and somebody must work.
        if chance.random() < 0.25 and all(other.children() for other in place.workers if other is not worker):
            place.kill_worker(worker)
            worker.start()
            kills += 1
        else:
            kills += place.kill_child(worker)
    recovered(f"200 jobs through {kills} kills", time.monotonic() - began)

    ends = place.settle(jobs)
    rows = place.rows(jobs)
    recovered(f"... of which {sum(row.attempt > 1 for row in rows)} took more than one attempt: {dict(ends)}", 0)
    assert kills >= 10
    # Only who was killed three times is given up, as a poisonous job would be.
    assert all(row.status == "succeeded" or row.attempt == place.settings.max_attempts for row in rows)
    assert ends["succeeded"] >= 195


def test_a_poisonous_job_fails_after_three_attempts_and_the_next_runs(place: House, recovered: Recovered):
    began = time.monotonic()
    poison = place.submit(text="poison")
    good = place.submit()
    assert place.wait(good).status == "succeeded"
    recovered("a poisonous job: the next one is done", time.monotonic() - began)
    row = place.wait(poison, limit_s=120)
    recovered("a poisonous job: given up", time.monotonic() - began)

    assert (row.status, row.attempt, row.error["code"]) == ("failed", 3, "attempts_exhausted")
    assert place.settle([poison, good]) == {"succeeded": 1, "failed": 1}
    assert place.settle([place.submit()]) == {"succeeded": 1}


def test_drain_loses_nothing_and_counts_no_attempt(place: House, recovered: Recovered):
    place.start(segment_s=0.5)
    jobs = [place.submit(seconds=2.0) for _ in range(4)]
    wait_for(lambda: sum(row.status == "running" for row in place.rows(jobs)) == len(place.workers))
    for worker in place.workers:
        began = time.monotonic()
        assert worker.terminate() == 0
        recovered("drain: SIGTERM until the worker is gone", time.monotonic() - began)
    states = [(row.status, row.attempt) for row in place.rows(jobs) if row.status not in TERMINAL]
    assert states == [("queued", 0)] * len(states)
    assert states
    for worker in place.workers:
        worker.start()

    assert place.settle(jobs) == {"succeeded": 4}
    assert {row.attempt for row in place.rows(jobs)} == {1}
