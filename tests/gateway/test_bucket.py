"""A gateway and a worker that share nothing but the database, the broker and a bucket."""

import shutil
from pathlib import Path

import httpx
import pytest

from gateway.app import build_app
from gateway.processes import free_ports
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.fakes import CONSENT, serve
from tests.gateway.made_media import picture, wav
from tests.gateway.test_erasure import copies

pytestmark = pytest.mark.parametrize("stack", ["bucket"], indirect=True)


def disks(stack: Stack) -> list[Path]:
    """The data folders of the gateway's machine and of the worker's."""
    return [stack.settings.data_dir, Path(stack.worker.environment["RACONTEUR_DATA_DIR"])]


def begun(stack: Stack, segments: int) -> str:
    """A job of 30 segments that stands still with so many of them or some more finished; ``segment_s`` frees it."""
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=12.0)["id"]
    wait_for(lambda: len(stack.fakes.finished) >= segments)
    stack.fakes.segment_s = 600
    return job_id


def test_a_video_is_made_and_watched_by_way_of_the_bucket(stack: Stack):
    job_id = begun(stack, 1)
    wait_for(lambda: stack.http.get(f"/v1/jobs/{job_id}/stream/0.m4s").is_success)
    assert any(name.startswith(f"jobs/{job_id}/segments/") for name in stack.stored())

    stack.fakes.segment_s = 0
    job = stack.wait(job_id)

    assert (job["status"], job["attempt"], job["output"]["frames"]) == ("succeeded", 1, 300)
    video = stack.http.get(f"/v1/jobs/{job_id}/content")
    assert len(video.content) == job["output"]["size_bytes"]
    part = stack.http.get(f"/v1/jobs/{job_id}/content", headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, video.content[1000:2000])
    assert stack.http.get(f"/v1/jobs/{job_id}/mouth").is_success
    assert f"files/{job['output']['file_id']}" in stack.stored()
    wait_for(lambda: not any(name.startswith(f"jobs/{job_id}") for name in stack.stored()))
    for disk in disks(stack):  # nothing but copies, which have no name
        assert not (disk / "files").exists() and not (disk / "jobs").exists()
        assert list((disk / "copies").iterdir()) == []


def test_a_worker_whose_machine_is_gone_loses_no_finished_segment(stack: Stack):
    job_id = begun(stack, 4)
    stack.worker.kill()
    kept = {name for name in stack.stored() if name.startswith(f"jobs/{job_id}/segments/") and name.endswith(".json")}
    shutil.rmtree(disks(stack)[1])
    stack.fakes.segment_s = 0
    stack.worker.start()

    job = stack.wait(job_id)

    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert len(kept) >= 3
    remade = {first for first in stack.fakes.segments if stack.fakes.segments.count(first) > 1}
    assert not remade & {int(Path(name).stem) for name in kept}


def test_gateways_of_several_machines_serve_the_same_files_and_keep_none_that_another_erased(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.jobs.reconcile._UNREAD_S", 3600)
    (port,) = free_ports(1)
    other_app = build_app(stack.settings.model_copy(update={"data_dir": tmp_path}))
    content = wav(0.2)
    with serve(other_app, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as other:
        file = stack.http.post("/v1/files", files={"file": content}).json()
        portrait = other.post("/v1/files", files={"file": picture("a face")}).json()
        job = stack.http.post("/v1/videos", data=CONSENT | {"portrait_id": portrait["id"], "speech_id": file["id"]})
        job_id = stack.wait(job.json()["id"])["id"]

        assert other.get(f"/v1/files/{file['id']}/content").content == content
        pieces = [at.get(f"/v1/jobs/{job_id}/stream/0.m4s").content for at in (stack.http, other)]
        assert pieces[0] == pieces[1] and len(pieces[0]) > 500
        assert other.delete(f"/v1/files/{file['id']}").status_code == 204
        for path in (f"/v1/files/{file['id']}/content", f"/v1/jobs/{job_id}/stream/0.m4s"):
            assert [at.get(path).status_code for at in (stack.http, other)] == [404, 404]
        assert list(copies(stack))  # of the one that was not asked
        monkeypatch.setattr("gateway.jobs.reconcile._UNREAD_S", 0)
        wait_for(lambda: not list(copies(stack)))
    other_app.state.parts.database.close()


def test_while_the_bucket_is_away_it_is_503_and_then_ready_again_by_itself(stack: Stack):
    file = stack.http.post("/v1/files", files={"file": wav(0.2)}).json()
    asked = f"/v1/files/{file['id']}/content"
    before = stack.stored()
    assert stack.s3 is not None
    stack.s3.stop()
    try:
        answers = [stack.http.get(asked), stack.http.post("/v1/files", files={"file": wav(0.1)})]
        ready = stack.http.get("/readyz")
    finally:
        stack.s3.start()

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert (ready.status_code, ready.json()["parts"]["files"]) == (503, "EndpointConnectionError")
    assert stack.http.get("/readyz").is_success
    assert stack.http.get(asked).content == wav(0.2)
    assert stack.stored() == before


def test_a_job_waits_for_a_bucket_that_is_away(stack: Stack):
    log = stack.worker.log.stat().st_size
    job_id = begun(stack, 2)
    assert stack.s3 is not None
    stack.s3.stop()
    stack.fakes.segment_s = 0
    try:
        wait_for(lambda: b"not_kept" in stack.worker.log.read_bytes()[log:])
    finally:
        stack.s3.start()

    job = stack.wait(job_id)

    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert len(stack.fakes.segments) <= 31  # one was made and could not be kept
