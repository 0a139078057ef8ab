"""Sums over ended jobs that outlive them."""

import time

import pytest

from gateway.jobs.records import NewJob, new_id
from gateway.store.tallies import Unfinished
from tests.gateway.store.conftest import Store

ERROR = {"code": "internal", "message": "no", "param": None, "retryable": False}


def submitted(store: Store, kind: str = "video") -> str:
    job_id = new_id()
    store.mine.submit(NewJob(id=job_id, kind=kind, input={}, fingerprint="f"))
    return job_id


def failed(store: Store) -> str:
    job = store.work.claim(submitted(store), lease_s=60, max_attempts=1)
    assert job is not None
    time.sleep(0.05)
    store.work.fail(job.id, job.fence, ERROR, -1)
    return job.id


def test_ends_are_summed_by_kind_and_kept_when_the_jobs_are_erased(store: Store):
    failed(store)
    failed(store)
    waited = submitted(store, "evaluation")
    store.mine.cancel(waited, -1)
    store.work.erase_expired()

    tallies = {(each.kind, each.status): each for each in store.database.tallies.ended()}
    assert {end: each.jobs for end, each in tallies.items()} == {("video", "failed"): 2, ("evaluation", "canceled"): 1}
    assert 0.1 <= tallies["video", "failed"].ran_s < 5
    assert tallies["evaluation", "canceled"].ran_s == 0
    assert tallies["evaluation", "canceled"].waited_s >= 0


def test_an_end_that_was_refused_is_not_counted(store: Store):
    job = store.work.claim(submitted(store), lease_s=60, max_attempts=1)
    assert job is not None
    assert not store.work.fail(job.id, job.fence - 1, ERROR, 60)
    assert store.database.tallies.ended() == []


def test_what_waits_and_runs_is_told_with_the_longest_wait(store: Store):
    assert store.database.tallies.longest_wait_s() == 0
    store.work.claim(submitted(store), lease_s=60, max_attempts=1)
    submitted(store)
    submitted(store)
    time.sleep(0.1)
    assert sorted(store.database.tallies.unfinished(), key=lambda each: each.status) == [
        Unfinished("video", "queued", 2),
        Unfinished("video", "running", 1),
    ]
    assert store.database.tallies.longest_wait_s() == pytest.approx(0.1, abs=2)
