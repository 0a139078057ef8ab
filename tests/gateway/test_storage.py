"""Files and work in progress, in a folder and in a bucket."""

import hashlib
import io
from pathlib import Path
from typing import IO

import pytest

from gateway.objects.port import Objects
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from services.common.errors import ProblemError
from services.talkinghead.schemas import SpeechReport
from tests.gateway.made_media import picture, wav
from tests.gateway.objects.conftest import objects, s3, s3_session

__all__ = ["objects", "s3", "s3_session"]

SPOKEN = SpeechReport(duration_s=0.6, frames=15, sample_rate_hz=16000, channels=1, warnings=[])


@pytest.fixture
def storage(objects: Objects) -> Storage:
    return Storage(objects)


class Torn(io.BytesIO):
    """An upload whose caller goes away in the middle."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise ConnectionResetError
        return super().read(64 if size == 64 else 100)


def test_an_upload_is_told_by_its_content_and_named_by_no_one(storage: Storage):
    content = wav(0.5)

    file = storage.receive(io.BytesIO(content), "../../etc/sp\neech.wav", "speech")

    assert (file.name, file.media_type, file.size_bytes) == ("speech.wav", "audio/wav", len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert (storage.has(file.id), storage.read(file.id)) == (True, content)
    assert b"".join(storage.blocks(file.id, 10, 20)) == content[10:30]
    with storage.copy(file.id) as path:
        assert path.read_bytes() == content


@pytest.mark.parametrize("upload", [io.BytesIO(b"plain text"), io.BytesIO(b""), Torn(picture("x" * 500))])
def test_what_is_refused_or_torn_leaves_nothing(storage: Storage, objects: Objects, upload: IO[bytes]):
    upload.seek(0)

    with pytest.raises((ProblemError, ConnectionResetError)):
        storage.receive(upload, "p.png", "portrait")

    assert list(objects.under("files")) == []


def test_what_a_job_made_becomes_a_file_of_its_own(storage: Storage):
    kept = storage.workspace("a-job")
    with kept.draft("signed-1.mp4") as draft:
        draft.write_bytes(b"video")

    file = storage.adopt("a-job", "signed-1.mp4", "video.mp4", "video/mp4")

    assert (file.size_bytes, file.sha256, file.job_id) == (5, hashlib.sha256(b"video").hexdigest(), "a-job")
    assert storage.read(file.id) == b"video"
    assert not kept.holds("signed-1.mp4")


def test_what_a_job_has_not_made_cannot_become_a_file(storage: Storage, objects: Objects):
    with pytest.raises(FileNotFoundError):
        storage.adopt("a-job", "signed-1.mp4", "video.mp4", "video/mp4")

    assert list(objects.under("files")) == []


def test_a_file_without_a_row_is_old_after_an_hour(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    file = storage.receive(io.BytesIO(wav(0.1)), "s.wav", "speech")
    assert list(storage.old_files()) == []

    monkeypatch.setattr("gateway.storage._ORPHAN_AGE_S", -10)

    assert list(storage.old_files()) == [file.id]
    storage.remove(storage.old_files())
    assert not storage.has(file.id)


def test_a_workspace_is_there_while_something_is_in_it_and_arrives_for_some_seconds(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    storage.workspace("a-job").write("question.json", b"{}")
    storage.workspace("another").write("question.json", b"{}")
    assert sorted(storage.workspaces()) == ["a-job", "another"]
    assert storage.is_arriving("a-job") and not storage.is_arriving("nobodys")
    monkeypatch.setattr("gateway.storage._ARRIVING_S", -10)
    assert not storage.is_arriving("a-job")

    storage.remove_workspace("a-job")

    assert storage.workspaces() == ["another"]


def test_a_finished_stage_is_known_to_whoever_comes_next(storage: Storage):
    kept = storage.workspace("a-job")
    kept.put("segments/000000", SPOKEN, 0.1234, b"pictures", b"end")
    kept.put("speech", SPOKEN, 2)

    later = storage.workspace("a-job")
    assert later.finished() == {"segments/000000", "speech"}
    assert later.has("speech") and not later.has("portrait")
    assert later.report("segments/000000", SpeechReport) == SPOKEN
    assert later.seconds("segments/000000") == 0.123
    with later.content("segments/000000") as content:
        assert content.read_bytes() == b"pictures"
    assert (later.state("segments/000000"), later.state("speech")) == (b"end", None)
    later.drop_state("segments/000000")
    assert later.state("segments/000000") is None


def test_a_stage_whose_report_is_missing_is_not_finished(storage: Storage, objects: Objects):
    """Its worker was killed between content and report."""
    objects.write("jobs/a-job/segments/000000.bin", b"pictures")

    assert storage.workspace("a-job").finished() == set()


def test_settings_choose_the_store(tmp_path: Path, request: pytest.FixtureRequest):
    storage = Storage.of(GatewaySettings(data_dir=tmp_path))
    file = storage.receive(io.BytesIO(wav(0.1)), "s.wav", "speech")
    assert (tmp_path / "files" / file.id).read_bytes() == wav(0.1)

    server = request.getfixturevalue("s3")
    bucket = Storage.of(
        GatewaySettings(data_dir=tmp_path, s3_bucket="raconteur-test", s3_endpoint_url=server.url, s3_prefix="here")
    )
    bucket.ping()
    file = bucket.receive(io.BytesIO(wav(0.1)), "s.wav", "speech")
    assert f"here/files/{file.id}" in dict(server.contents())
