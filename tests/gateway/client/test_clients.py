"""Both clients against a running gateway."""

import json
from pathlib import Path

import pytest

from gateway.api.schemas import JobView
from gateway.client import AsyncRaconteur, Raconteur
from gateway.client.patience import Patience
from gateway.jobs.state import JobStatus
from services.common.errors import ProblemError
from tests.gateway.conftest import Stack
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav

ANN = json.loads(CONSENT["consent"])


@pytest.fixture
def raconteur(stack: Stack):
    with Raconteur(str(stack.http.base_url)) as client:
        yield client


def test_a_job_is_made_waited_for_fetched_and_erased(raconteur: Raconteur, stack: Stack, tmp_path: Path):
    (tmp_path / "face.png").write_bytes(picture("a face"))
    stack.fakes.segment_s = 0.2
    heard: list[JobView] = []

    job = raconteur.video(tmp_path / "face.png", ANN, speech=wav(1.2), still=True, face="largest")
    done = raconteur.wait(job.id, on_change=heard.append)
    raconteur.download(job.id, tmp_path / "talk.mp4")

    assert done.status is JobStatus.SUCCEEDED and done.output["frames"] == 30
    assert done.input["still"] is True and done.input["face"] == "largest"
    assert [view.progress for view in heard] == sorted(view.progress for view in heard) and len(heard) > 3
    assert (tmp_path / "talk.mp4").read_bytes()[4:8] == b"ftyp"
    assert raconteur.stream_head(job.id)[4:8] == b"ftyp" and raconteur.stream_piece(job.id, 0)[4:8] == b"moof"
    assert job.id in {known.id for known in raconteur.jobs(status="succeeded", limit=5).jobs}
    raconteur.erase_job(job.id)
    with pytest.raises(ProblemError, match="does not exist") as caught:
        raconteur.job(job.id)
    assert caught.value.code == "not_found"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.png", "talk.mp4"]


def test_photos_scripts_and_narrations(raconteur: Raconteur):
    told = raconteur.relations(picture("people=2"), pairs=[("P1", "P2")])
    assert told.relations[0].label == "friends" and told.graph.edges[0].probability == 0.5
    assert raconteur.story(picture("people=2"), omit=["age"]).people[0].attributes == {}

    written = raconteur.script(story=told.story, relation=told.relations[0])
    job = raconteur.narration(None, picture("a face"), ANN, script=written.script)
    assert raconteur.wait(job.id).output["script"] == written.script
    assert raconteur.captions(job.id).startswith("WEBVTT")


def test_files_links_and_what_runs(raconteur: Raconteur, tmp_path: Path):
    kept = raconteur.upload(picture("a face"), expires_in_s=600)
    assert raconteur.file(kept.id).media_type == "image/png"
    assert "signature=" in raconteur.share_file(kept.id).content
    raconteur.download_file(kept.id, tmp_path / "face.png")
    assert (tmp_path / "face.png").read_bytes() == picture("a face")
    raconteur.erase_file(kept.id)
    assert raconteur.alive() and raconteur.ready()["database"] == "ready"
    assert "raconteur_http_requests_total" in raconteur.metrics()
    assert [voice.name for voice in raconteur.voices().voices] == ["heart"]


def test_a_job_that_fails_raises_its_error_and_one_that_is_stopped_says_so(raconteur: Raconteur, stack: Stack):
    stack.fakes.faults += [ProblemError("out_of_memory", "no room")]
    failed = raconteur.video(picture("a face"), ANN, speech=wav(0.4))
    with pytest.raises(ProblemError) as caught:
        raconteur.wait(failed.id)
    assert caught.value.code == "out_of_memory"

    stack.fakes.segment_s = 300
    stopped = raconteur.video(picture("a face"), ANN, speech=wav(0.4))
    with pytest.raises(ProblemError) as caught:
        raconteur.wait(stopped.id, on_change=lambda job: job.stage == "segments" and raconteur.cancel(job.id))
    assert caught.value.code == "canceled"


def test_a_refusal_is_raised_at_once_with_its_code_and_param(raconteur: Raconteur):
    with pytest.raises(ProblemError) as caught:
        raconteur.narration(picture("people=0"), picture("a face"), ANN)
    assert (caught.value.code, caught.value.param) == ("no_person", "photo")


def test_a_key_of_ones_own_makes_one_job(raconteur: Raconteur):
    one, two = (raconteur.video(picture("a face"), ANN, text="Hi.", idempotency_key="client-1") for _ in range(2))
    assert one.id == two.id
    raconteur.wait(one.id)


def test_a_download_that_is_refused_leaves_no_file(raconteur: Raconteur, tmp_path: Path):
    with pytest.raises(ProblemError) as caught:
        raconteur.download("0" * 32, tmp_path / "talk.mp4")
    assert caught.value.code == "not_found"
    assert not list(tmp_path.iterdir())


def test_nobody_there_is_told_as_such():
    with Raconteur("http://127.0.0.1:9", patience=Patience(retries=0)) as client:
        assert not client.alive()
        with pytest.raises(ProblemError) as caught:
            client.voices()
    assert caught.value.code == "service_unavailable"


async def test_the_same_calls_are_awaited(stack: Stack, tmp_path: Path):
    stages: list[str] = []
    async with AsyncRaconteur(str(stack.http.base_url)) as client:
        assert await client.alive() and (await client.ready())["broker"] == "ready"
        (tmp_path / "face.png").write_bytes(picture("a face"))
        job = await client.video(tmp_path / "face.png", ANN, text="Good morning.")
        done = await client.wait(job.id, on_change=lambda job: stages.append(job.stage))
        await client.download(job.id, tmp_path / "talk.mp4")
        kept = await client.upload(picture("a face"))
        await client.download_file(kept.id, tmp_path / "copy.png")
        with pytest.raises(ProblemError) as caught:
            await client.job("0" * 32)
        async for known in client.follow_all("0"):
            if known.id == job.id:
                break
    assert done.output["frames"] == 25 and stages[-1] == "finished"
    assert (tmp_path / "talk.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "copy.png").read_bytes() == picture("a face")
    assert caught.value.code == "not_found"
