"""Reading a stream beside the worker that ends its job."""

import pytest

from gateway.jobs.inputs import SPEECH, VIDEO, VideoInput
from gateway.jobs.records import Job, NewJob, new_id
from gateway.jobs.stream import Stream, read_stream
from gateway.objects.port import Objects
from gateway.storage import Storage
from services.common.errors import ProblemError
from services.talkinghead.schemas import SpeechReport
from tests.gateway.store.conftest import Store

INPUT = VideoInput(portrait="p", speech="s", steps=4, seed=0, segment_frames=10).model_dump()
SPOKEN = SpeechReport(duration_s=0.6, frames=15, sample_rate_hz=16000, channels=1, warnings=[])


def claimed(store: Store, kind: str = VIDEO) -> Job:
    job_id = new_id()
    store.mine.submit(NewJob(job_id, kind, INPUT, fingerprint=""))
    job = store.work.claim(job_id, lease_s=60, max_attempts=3)
    assert job
    return job


def test_a_job_that_succeeds_while_its_stream_is_read_is_read_from_its_result(store: Store, objects: Objects):
    storage, job = Storage(objects), claimed(store)
    kept = storage.workspace(job.id)
    kept.put(SPEECH, SPOKEN, 0.1)
    kept.put("segments/000000", SPOKEN, 0.1, b"pictures")
    seen: list[Stream] = []

    def read(stream: Stream) -> str:
        seen.append(stream)
        if len(seen) == 1:
            kept.write("joined", b"video")
            file = storage.adopt(job.id, "joined", "video.mp4", "video/mp4")
            output = {"file_id": file.id, "frames": 15, "fps": 25.0}
            assert store.work.publish(job.id, job.fence, output=output, warnings=[], file=file, retention_s=60)
            storage.remove_workspace(job.id)
            stream.piece(0)  # its files are gone
        return stream.playlist()

    playlist = read_stream(store.mine, storage, job.id, read)

    assert [(len(stream.ready), stream.complete) for stream in seen] == [(1, False), (2, True)]
    assert playlist.startswith(seen[0].playlist())
    assert playlist.endswith("stream/1.m4s\n#EXT-X-ENDLIST\n")


def test_a_stream_ends_with_its_last_segment_and_does_not_wait_for_the_joining(store: Store, objects: Objects):
    storage, job = Storage(objects), claimed(store)
    kept = storage.workspace(job.id)
    kept.put(SPEECH, SPOKEN, 0.1)
    for stage in ("segments/000000", "segments/000010"):
        kept.put(stage, SPOKEN, 0.1, b"pictures")

    assert read_stream(store.mine, storage, job.id, Stream.playlist).endswith("#EXT-X-ENDLIST\n")


def test_a_segment_behind_a_missing_one_is_not_offered(store: Store, objects: Objects):
    storage, job = Storage(objects), claimed(store)
    kept = storage.workspace(job.id)
    kept.put(SPEECH, SPOKEN, 0.1)
    kept.put("segments/000010", SPOKEN, 0.1, b"pictures")

    assert "m4s" not in read_stream(store.mine, storage, job.id, Stream.playlist)


def test_a_job_that_makes_no_video_has_no_stream(store: Store, objects: Objects):
    job = claimed(store, kind="search")

    with pytest.raises(ProblemError, match="makes no video") as error:
        read_stream(store.mine, Storage(objects), job.id, Stream.playlist)
    assert error.value.code == "not_found"
