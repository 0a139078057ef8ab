"""What was erased or has expired is nowhere: on no disk and in no bucket, database's bytes, broker or log."""

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.store.tables import FILES, JOBS
from tests.gateway.conftest import Stack, on_every_store, wait_for
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav
from tests.gateway.test_searches import SEARCH, STORIES
from tests.gateway.webhooks.receiver import receiving

pytestmark = on_every_store

SECRET = "the moon is made of quince jelly"  # noqa: S105 - something that nobody else writes
TOLD = [story | {"story": f"{story['story']} {SECRET}"} for story in STORIES]


def broker_bytes(stack: Stack) -> bytes:
    """Every key and value."""
    return b"".join(key + (stack.broker.dump(key) or b"") for key in stack.broker.scan_iter())


def disk(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every file below the data folders, the worker's log among them, but for the database; names count, too."""
    folders = {stack.settings.data_dir, Path(stack.worker.environment["RACONTEUR_DATA_DIR"])}
    files = (path for folder in folders for path in folder.rglob("*"))
    for path in (*files, *copies(stack)):
        if path.is_file() and not path.name.startswith("raconteur.sqlite"):
            try:
                yield str(path), path.read_bytes()
            except FileNotFoundError:  # just erased
                continue
    if stack.s3 is not None:
        yield from stack.s3.contents()


def copies(stack: Stack) -> Iterator[Path]:
    """Files without a name that gateway and worker hold open."""
    worker = stack.worker.process and stack.worker.process.pid
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        pid = int(path.parts[2])
        try:
            if (pid == os.getpid() or os.getpgid(pid) == worker) and "/copies/" in str(path.readlink()):
                yield path
        except (FileNotFoundError, ProcessLookupError):  # just closed, just ended
            continue


def found(stack: Stack, needle: str) -> list[str]:
    """Where ``needle`` still is. The audit log in the database keeps ids and hashes on purpose, and no such needle."""
    places = [place for place, content in disk(stack) if needle in place or needle.encode() in content]
    places += ["database"] if needle.encode() in stack.database_bytes() else []
    return places + (["broker"] if needle.encode() in broker_bytes(stack) else [])


def gone(stack: Stack, *needles: str) -> None:
    wait_for(lambda: not any(found(stack, needle) for needle in needles), limit_s=90)


def expired(stack: Stack, table: sa.Table, thing_id: str) -> None:
    """As if its time had come."""
    with stack.database._engine.begin() as sql:
        sql.execute(sa.update(table).where(table.c.id == thing_id).values(expires_at=1.0))


def video(stack: Stack) -> Any:
    files = {"portrait": (f"{SECRET}.png", picture(f"a face, {SECRET}"))}
    return stack.http.post("/v1/videos", files=files, data=CONSENT | {"text": SECRET})


def narration(stack: Stack) -> Any:
    files = {"portrait": picture(f"a face, {SECRET}"), "photo": (f"{SECRET}.png", picture(f"{SECRET} people=2"))}
    return stack.http.post("/v1/narrations", files=files, data=CONSENT)


def search(stack: Stack) -> Any:
    return stack.http.post("/v1/prompt-searches", json=SEARCH | {"stories": TOLD})


def evaluation(stack: Stack) -> Any:
    return stack.http.post("/v1/evaluations", json={"stories": TOLD, "taxonomy": "pisc"})


@pytest.fixture
def jobs(stack: Stack) -> list[dict[str, Any]]:
    """One of each kind that is about people, succeeded. Before they began all they were given was there to be found."""
    stack.worker.kill()
    answers = [start(stack) for start in (video, narration, search, evaluation)]
    assert [answer.status_code for answer in answers] == [202] * 4, [answer.text for answer in answers]
    where = found(stack, SECRET)
    assert "database" in where and len(where) >= 5, where
    stack.worker.start()
    jobs = [stack.wait(answer.json()["id"]) for answer in answers]
    assert [job["status"] for job in jobs] == ["succeeded"] * 4, jobs
    return jobs


def test_jobs_that_are_erased_take_all_of_it_along(stack: Stack, jobs: list[dict[str, Any]]):
    for job in jobs:
        assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204

    gone(stack, SECRET, *(name for job in jobs for name in ids_of(job)))


def test_jobs_whose_time_has_come_take_all_of_it_along(stack: Stack, jobs: list[dict[str, Any]]):
    for job in jobs:
        expired(stack, JOBS, job["id"])

    gone(stack, SECRET, *(name for job in jobs for name in ids_of(job)))
    assert [stack.http.get(f"/v1/jobs/{job['id']}").status_code for job in jobs] == [404] * 4


def test_a_job_that_failed_or_was_canceled_leaves_no_more_behind(stack: Stack):
    stack.fakes.segment_s = 60
    job = stack.wait(video(stack).json()["id"], "running")
    stack.http.post(f"/v1/jobs/{job['id']}/cancel")
    job = stack.wait(job["id"])
    assert job["status"] == "canceled"

    assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204

    gone(stack, SECRET, job["id"] + "/", job["input"]["portrait"])


def test_a_file_that_is_erased_takes_what_was_made_of_it_along(stack: Stack):
    content = picture(f"a face, {SECRET}")
    portrait = stack.http.post("/v1/files", files={"file": (f"{SECRET}.png", content)}).json()["id"]
    ids = []
    with receiving() as receiver:
        webhook = stack.http.post("/v1/webhooks", json={"url": receiver.url}).json()["id"]
        for seconds in (0.3, 0.5):
            data = CONSENT | {"portrait_id": portrait}
            answer = stack.http.post("/v1/videos", data=data, files={"speech": wav(seconds)})
            job = stack.wait(answer.json()["id"])
            ids += [job["output"]["file_id"], job["input"]["speech"]]
            last = job["id"]
        wait_for(lambda: len(receiver.told) == 2)
        assert stack.http.delete(f"/v1/webhooks/{webhook}").status_code == 204
    assert hashlib.sha256(content).hexdigest() in stack.fakes.held

    assert stack.http.delete(f"/v1/files/{portrait}").status_code == 204

    assert stack.http.get(f"/v1/jobs/{last}").status_code == 404
    assert stack.http.get(f"/v1/jobs/{last}/stream.m3u8").status_code == 404
    assert hashlib.sha256(content).hexdigest() not in stack.fakes.held
    gone(stack, SECRET, portrait, *ids)


def test_a_file_whose_time_has_come_is_gone_once_no_job_needs_it(stack: Stack):
    file = stack.http.post("/v1/files", files={"file": (f"{SECRET}.png", picture(f"a face, {SECRET}"))}).json()
    answer = stack.http.post("/v1/videos", data=CONSENT | {"portrait_id": file["id"]}, files={"speech": wav(0.3)})
    job = stack.wait(answer.json()["id"])

    expired(stack, FILES, file["id"])
    expired(stack, JOBS, job["id"])

    gone(stack, SECRET, file["id"], job["output"]["file_id"], job["input"]["speech"])


def ids_of(job: dict[str, Any]) -> list[str]:
    """Of the files that it was given and made, and its folder."""
    files = [job["input"].get(name) for name in ("portrait", "photo", "speech")] + [job["output"].get("file_id")]
    return [file_id for file_id in files if file_id] + [f"{job['id']}/"]


def test_how_long_a_file_and_a_job_are_kept_can_be_told(stack: Stack):
    file = stack.http.post("/v1/files", files={"file": wav(0.1)}, data={"expires_in_s": 60}).json()
    files = {"portrait": picture("a face"), "speech": wav(0.2)}
    job = stack.wait(stack.http.post("/v1/videos", files=files, data=CONSENT | {"expires_in_s": 90}).json()["id"])

    assert seconds_between(file["created_at"], file["expires_at"]) == 60
    assert seconds_between(job["finished_at"], job["expires_at"]) == 90
    refused = stack.http.post("/v1/files", files={"file": wav(0.1)}, data={"expires_in_s": 59})
    assert (refused.status_code, refused.json()["param"]) == (422, "expires_in_s")


def seconds_between(first: str, second: str) -> int:
    return round((datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds())
