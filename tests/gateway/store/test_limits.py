"""How much may wait, and how much one owner may ask for."""

import pytest

from gateway.jobs.records import Job, NewJob, new_id
from gateway.store.database import Database
from gateway.store.limits import QueueLimits
from services.common.app import problem_response
from services.common.errors import ProblemError
from tests.gateway.store.conftest import Store


def submit(database: Database, owner: str) -> Job:
    return database.of(owner).submit(NewJob(id=new_id(), kind="video", input={}, fingerprint="f"))[0]


def refused(database: Database, owner: str) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        submit(database, owner)
    return caught.value


@pytest.fixture
def limited(store: Store):
    databases = []

    def make(**limits: float) -> Database:
        databases.append(Database(store.url, QueueLimits(**limits)))
        return databases[-1]

    yield make
    for database in databases:
        database.close()


def test_a_full_queue_is_503_for_everybody_until_a_job_is_taken(limited):
    database = limited(queued=3)
    jobs = [submit(database, owner) for owner in ("ann", "ann", "bob")]

    problem = refused(database, "cat")
    answer = problem_response(problem, None)

    assert (problem.code, answer.status_code, answer.headers["Retry-After"]) == ("queue_full", 503, "30")
    assert database.jobs.claim(jobs[0].id, lease_s=60, max_attempts=3)
    assert submit(database, "cat")


def test_one_owner_cannot_fill_the_queue(limited):
    database = limited(unfinished=2)
    jobs = [submit(database, "ann") for _ in range(2)]
    database.jobs.claim(jobs[0].id, lease_s=60, max_attempts=3)

    problem = refused(database, "ann")

    assert (problem.code, problem.kind.status) == ("too_many_jobs", 429)
    assert submit(database, "bob")
    database.of("ann").cancel(jobs[1].id, 60)
    assert submit(database, "ann")


def test_a_day_has_so_many_seconds_of_computing(limited):
    database = limited(compute_s_a_day=1e-6)
    job = submit(database, "ann")
    running = database.jobs.claim(job.id, lease_s=60, max_attempts=3)
    database.jobs.fail(job.id, running.fence, {"code": "internal"}, 60)

    problem = refused(database, "ann")

    assert (problem.code, problem.kind.status) == ("compute_exhausted", 429)
    assert 86_000 < problem.extra["retry_after_s"] <= 86_400
    assert submit(database, "bob")


def test_what_was_refused_leaves_nothing(limited, store: Store):
    database = limited(queued=0)
    refused(database, "ann")

    assert store.work.queue_length() == 0
    assert store.database.audit.verify().entries == 0


def test_a_job_may_bring_its_own_retention(store: Store):
    job = store.mine.submit(NewJob(id=new_id(), kind="video", input={}, fingerprint="f", retention_s=120.0))[0]

    done = store.mine.cancel(job.id, 9999.0)

    assert done.expires_at == pytest.approx(done.finished_at + 120)
