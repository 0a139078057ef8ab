"""Jobs and files from submission to expiry."""

import threading
import time

import pytest

from gateway.jobs.records import FileRecord, Job, NewJob, new_id
from gateway.jobs.state import UNFINISHED, JobStatus
from gateway.store.work import Lease
from services.common.errors import ProblemError
from tests.gateway.store.conftest import Store

HOUR_S = 3600.0


def a_file(job_id: str | None = None, expires_at: float | None = None) -> FileRecord:
    return FileRecord(new_id(), "a.png", "image/png", 3, "0" * 64, time.time(), expires_at, job_id)


def queue(store: Store, **fields: object) -> Job:
    return store.mine.submit(NewJob(**({"id": new_id(), "kind": "video", "input": {}, "fingerprint": "f"} | fields)))[0]


def claim(store: Store, job: Job, lease_s: float = HOUR_S, max_attempts: int = 3) -> Job | None:
    return store.work.claim(job.id, lease_s=lease_s, max_attempts=max_attempts)


def publish(store: Store, job: Job, file: FileRecord | None = None) -> bool:
    file = file or a_file(job.id)
    output = {"file_id": file.id}
    return store.work.publish(job.id, job.fence, output=output, warnings=["w"], file=file, retention_s=HOUR_S)


def test_a_job_is_claimed_worked_on_and_published(store: Store):
    job = queue(store)
    assert (job.status, job.queue_position, job.attempt) == (JobStatus.QUEUED, 1, 0)

    running = claim(store, job)
    assert (running.status, running.attempt, running.queue_position) == (JobStatus.RUNNING, 1, None)
    assert store.work.progress(job.id, running.fence, stage="segments", steps_done=1, steps_total=4, eta_s=9.0)
    assert publish(store, running)

    done = store.mine.job(job.id)
    assert (done.status, done.progress, done.warnings) == (JobStatus.SUCCEEDED, 1.0, ["w"])
    assert done.expires_at == pytest.approx(done.finished_at + HOUR_S)
    assert store.mine.file(done.output["file_id"]).job_id == job.id
    assert claim(store, job) is None


def test_of_many_claims_at_once_one_wins(store: Store):
    job = queue(store)
    start, won = threading.Barrier(8), []

    def compete() -> None:
        start.wait()
        won.append(claim(store, job))

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(claimed is not None for claimed in won) == 1
    assert store.mine.job(job.id).attempt == 1


def test_an_attempt_that_outlived_its_lease_can_neither_report_nor_publish(store: Store):
    job = queue(store)
    old = claim(store, job, lease_s=-1)
    new = claim(store, job)
    orphan = a_file(job.id)

    assert (new.attempt, new.fence) == (2, old.fence + 1)
    assert store.work.heartbeat(job.id, old.fence, lease_s=HOUR_S) is Lease.LOST
    assert not store.work.progress(job.id, old.fence, stage="join", steps_done=9, steps_total=9, eta_s=None)
    assert not publish(store, old, orphan)
    assert not store.work.fail(job.id, old.fence, {"code": "internal"}, HOUR_S)
    assert not store.work.confirm_cancel(job.id, old.fence, HOUR_S)
    assert not store.work.release(job.id, old.fence)
    assert store.work.known_files([orphan.id]) == set()
    assert store.mine.job(job.id).status is JobStatus.RUNNING
    assert publish(store, new)


def test_a_renewed_lease_keeps_others_away(store: Store):
    job = queue(store)
    running = claim(store, job, lease_s=-1)

    assert store.work.heartbeat(job.id, running.fence, lease_s=HOUR_S) is Lease.HELD
    assert claim(store, job) is None


def test_progress_never_goes_back_within_an_attempt(store: Store):
    running = claim(store, queue(store))

    def report(done: int, total: int) -> bool:
        return store.work.progress(running.id, running.fence, stage="s", steps_done=done, steps_total=total, eta_s=None)

    assert report(3, 4)
    assert not report(2, 4)
    assert report(4, 8)
    assert store.mine.job(running.id).progress == 0.75


def test_a_job_whose_worker_is_lost_too_often_fails(store: Store):
    job, error = queue(store), {"code": "attempts_exhausted"}
    assert claim(store, job, lease_s=-1, max_attempts=2)
    assert store.work.settle_lost(max_attempts=2, error=error, retention_s=HOUR_S) == []
    assert claim(store, job, lease_s=-1, max_attempts=2)

    assert claim(store, job, max_attempts=2) is None
    assert store.work.settle_lost(max_attempts=2, error=error, retention_s=HOUR_S) == [job.id]
    assert (store.mine.job(job.id).status, store.mine.job(job.id).error) == (JobStatus.FAILED, error)


def test_a_worker_that_stops_in_good_order_costs_no_attempt(store: Store):
    running = claim(store, queue(store))

    assert store.work.release(running.id, running.fence)

    assert (store.mine.job(running.id).status, store.mine.job(running.id).attempt) == (JobStatus.QUEUED, 0)
    assert store.work.waiting(woken_before=0, limit=9) == [running.id]  # at once, whenever it was last woken
    assert claim(store, running).fence == running.fence + 1


def test_a_cancel_that_was_accepted_is_never_a_success(store: Store):
    running = claim(store, queue(store))
    assert store.mine.cancel(running.id, HOUR_S).status is JobStatus.RUNNING

    assert store.work.heartbeat(running.id, running.fence, lease_s=HOUR_S) is Lease.CANCEL
    assert not publish(store, running)
    assert store.work.confirm_cancel(running.id, running.fence, HOUR_S)
    assert store.mine.cancel(running.id, HOUR_S).status is JobStatus.CANCELED


def test_a_canceled_job_whose_worker_is_lost_is_not_run_again(store: Store):
    running = claim(store, queue(store), lease_s=-1)
    store.mine.cancel(running.id, HOUR_S)

    assert claim(store, running) is None
    store.work.settle_lost(max_attempts=3, error={}, retention_s=HOUR_S)
    assert store.mine.job(running.id).status is JobStatus.CANCELED


def test_an_idempotency_key_belongs_to_one_request(store: Store):
    first = queue(store, idempotency_key="k", fingerprint="a")

    again, created = store.mine.submit(
        NewJob(id=new_id(), kind="video", input={}, fingerprint="a", files=(a_file(),), idempotency_key="k")
    )
    assert (again.id, created) == (first.id, False)
    with pytest.raises(ProblemError, match="another request") as caught:
        queue(store, idempotency_key="k", fingerprint="b")
    assert caught.value.code == "idempotency_mismatch"
    assert len(store.mine.jobs(status=None, kind=None, before=None, limit=9)) == 1


def test_the_queue_position_counts_the_older_waiting_jobs(store: Store):
    jobs = [queue(store, id=f"{n:032d}") for n in range(4)]
    claim(store, jobs[1])

    assert [store.mine.job(job.id).queue_position for job in jobs] == [1, None, 2, 3]
    assert [job.queue_position for job in store.mine.jobs(status=None, kind=None, before=None, limit=9)] == [
        3,
        2,
        None,
        1,
    ]


def test_only_jobs_without_a_recent_wake_up_are_woken(store: Store):
    job, running = queue(store), claim(store, queue(store), lease_s=-1)

    assert store.work.waiting(woken_before=time.time() - 5, limit=9) == []
    assert store.work.waiting(woken_before=time.time() + 5, limit=9) == [job.id]
    assert store.work.abandoned(woken_before=time.time() + 5, limit=9) == [running.id]
    store.work.woken(running.id)
    assert store.work.abandoned(woken_before=time.time() - 5, limit=9) == []


def test_finished_jobs_and_unused_files_expire(store: Store):
    file, used = a_file(expires_at=1.0), a_file(expires_at=1.0)
    store.mine.add_file(file)
    store.mine.add_file(used)
    old, waiting = queue(store), queue(store, uses=(used.id,))
    running, result = claim(store, old), a_file(old.id)
    publish(store, running, result)

    assert store.work.erase_expired() == [file.id]
    assert store.work.in_state([old.id, waiting.id], UNFINISHED) == {waiting.id}
    store.mine.cancel(waiting.id, -1)
    assert set(store.work.erase_expired()) == {used.id}
    with pytest.raises(ProblemError):
        store.mine.job(waiting.id)
    assert store.mine.job(old.id).status is JobStatus.SUCCEEDED


def test_any_number_of_jobs_is_looked_up(store: Store):
    """More than the variables that a statement may have in SQLite, and in PostgreSQL."""
    waiting = queue(store)
    many = [f"{n:032d}" for n in range(70_000)]
    assert store.work.in_state([*many, waiting.id], UNFINISHED) == {waiting.id}


def test_a_file_is_kept_while_a_job_needs_it(store: Store):
    file = a_file()
    store.mine.add_file(file)
    job = queue(store, uses=(file.id,))

    with pytest.raises(ProblemError) as caught:
        store.mine.delete_file(file.id)
    assert caught.value.code == "file_in_use"
    store.mine.cancel(job.id, HOUR_S)
    store.mine.delete_file(file.id)
    with pytest.raises(ProblemError) as caught:
        store.mine.delete_file(file.id)
    assert caught.value.code == "not_found"


def test_deleting_a_job_names_the_files_that_go_with_it(store: Store):
    job_id, own, other = new_id(), a_file(), a_file()
    upload = FileRecord(**(vars(own) | {"job_id": job_id}))
    store.mine.add_file(other)
    queue(store, id=job_id, files=(upload,), uses=(upload.id, other.id))

    with pytest.raises(ProblemError) as caught:
        store.mine.delete_job(job_id)
    assert caught.value.code == "job_not_finished"
    store.mine.cancel(job_id, HOUR_S)
    assert store.mine.delete_job(job_id) == [upload.id]
    assert store.work.known_files([upload.id, other.id]) == {other.id}
