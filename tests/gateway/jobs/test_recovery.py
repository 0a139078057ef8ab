"""What is lost by a kill, a wiped broker or a doubled message: nothing."""

import os
import time

from gateway.jobs.queue import Bell, make_celery
from tests.gateway.conftest import Stack, on_every_store, wait_for
from tests.gateway.made_media import wav


def test_a_killed_worker_loses_no_job_and_no_finished_segment(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=4.0)["id"]  # 100 frames: ten segments
    wait_for(lambda: len(stack.fakes.finished) >= 3)
    stack.worker.kill()
    kept = [name for name in stack.stored() if job_id in name and name.endswith(".json") and "segments" in name]
    stack.worker.start()

    job = stack.wait(job_id)

    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert sorted(set(stack.fakes.finished)) == list(range(0, 100, 10))
    # At most the one in flight, and one that was answered but not yet kept, are made twice.
    assert len(stack.fakes.segments) <= 12
    remade = {first for first in stack.fakes.segments if stack.fakes.segments.count(first) > 1}
    assert not remade & {int(name.rsplit("/", 1)[1].removesuffix(".json")) for name in kept}


@on_every_store
def test_a_progressive_job_goes_on_from_what_its_last_finished_segment_left(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=2.0, progressive="true")["id"]  # five segments, each needs the one before
    wait_for(lambda: len(stack.fakes.finished) >= 3)
    stack.worker.kill()
    states = [name for name in stack.stored() if job_id in name and name.endswith(".state")]
    stack.worker.start()

    job = stack.wait(job_id)

    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert len(stack.fakes.segments) <= 7
    assert 1 <= len(states) <= 2  # the last one's; and the one before it, if the kill came between


@on_every_store
def test_a_worker_that_is_told_to_stop_hands_its_job_back(stack: Stack):
    stack.fakes.segment_s = 300
    job_id = stack.submit()["id"]
    wait_for(lambda: stack.fakes.segments)

    assert stack.worker.terminate() == 0

    job = stack.job(job_id)
    assert (job["status"], job["attempt"]) == ("queued", 0)
    stack.fakes.segment_s = 0
    stack.worker.start()
    job = stack.wait(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)


def test_a_wiped_broker_loses_no_job(stack: Stack):
    stack.fakes.segment_s = 60
    jobs = [stack.submit(seconds=0.8)["id"]]
    stack.wait(jobs[0], "running")
    jobs += [stack.submit(seconds=0.8)["id"] for _ in range(2)]

    stack.broker.flushall()

    stack.fakes.segment_s = 0
    assert [stack.wait(job_id)["status"] for job_id in jobs] == ["succeeded"] * 3
    assert len(stack.fakes.finished) == 6


def test_a_doubled_message_does_the_work_once(stack: Stack):
    stack.fakes.segment_s = 0.2
    job_id = stack.submit(seconds=1.0)["id"]
    bell = Bell(make_celery(stack.settings), stack.settings.redis_url)
    for _ in range(3):
        assert bell.ring(job_id)

    job = stack.wait(job_id)
    wait_for(lambda: bell.waiting_messages() == 0)
    bell.close()

    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert stack.fakes.finished == [0, 10, 20]
    assert stack.job(job_id) == job


def test_a_job_whose_message_was_never_sent_runs(stack: Stack):
    """The gateway dies between storing the job and ringing, or the broker is away at that moment."""
    stack.fakes.segment_s = 60
    running = stack.submit(seconds=0.8)["id"]
    stack.wait(running, "running")
    unheard = stack.submit(seconds=0.4)["id"]
    stack.broker.delete("raconteur:jobs")
    assert stack.job(unheard)["status"] == "queued"

    stack.fakes.segment_s = 0
    assert stack.wait(unheard)["status"] == "succeeded"


def test_a_poison_job_fails_after_three_attempts_and_the_next_one_runs(stack: Stack):
    stack.fakes.segment_s = 300
    job_id = stack.submit(seconds=0.4)["id"]
    for attempt in range(1, stack.settings.max_attempts + 1):
        wait_for(lambda attempt=attempt: len(stack.fakes.segments) >= attempt, limit_s=60)
        stack.worker.kill()
        stack.worker.start()

    job = stack.wait(job_id)
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 3, "attempts_exhausted")
    stack.fakes.segment_s = 0
    assert stack.wait(stack.submit(0.4)["id"])["status"] == "succeeded"


def test_what_a_dead_gateway_left_on_disk_is_swept(stack: Stack):
    abandoned = stack.settings.data_dir / "jobs" / "nobody"
    abandoned.mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    arriving = stack.settings.data_dir / "jobs" / "somebody"
    arriving.mkdir()
    os.utime(arriving, (later := time.time() + 3600, later))

    wait_for(lambda: not abandoned.exists())
    assert arriving.exists()  # it may be that of a job that is being accepted
    os.utime(arriving, (0, 0))
    wait_for(lambda: not arriving.exists())


def test_a_file_that_no_row_names_is_swept_after_an_hour_and_no_other(stack: Stack):
    known = stack.http.post("/v1/files", files={"file": wav(0.1)}).json()["id"]
    files = stack.settings.data_dir / "files"
    for name in ("forgotten", ".torn.draft", "arriving"):
        (files / name).write_bytes(b"x")
    for name in ("forgotten", ".torn.draft", known):
        os.utime(files / name, (0, 0))

    wait_for(lambda: not {"forgotten", ".torn.draft"} & {path.name for path in files.iterdir()})

    assert (files / "arriving").exists()
    assert stack.http.get(f"/v1/files/{known}/content").content == wav(0.1)
    (files / "arriving").unlink()
