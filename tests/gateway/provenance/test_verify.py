"""Who made this video, and was it changed? Asked through the API."""

import io
from pathlib import Path
from typing import Any

import av
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.made_media import pictures, wav


def ask(stack: Stack, video: bytes) -> dict[str, Any]:
    answer = stack.http.post("/v1/verify", files={"video": ("v.mp4", video)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def encoded_again(video: bytes) -> bytes:
    """Without credentials, and every picture another; what harder treatment the mark survives is tested beside it."""
    target = io.BytesIO()
    with av.open(io.BytesIO(video)) as source, av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "20"})
        pictures = source.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        for frame in source.decode(pictures):
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return target.getvalue()


@pytest.fixture
def made(stack: Stack) -> tuple[dict[str, Any], bytes]:
    job = stack.wait(stack.submit(seconds=2.0)["id"])
    return job, stack.http.get(job["output"]["url"]).content


def test_an_untouched_video_leads_to_its_job(stack: Stack, made: tuple[dict[str, Any], bytes]):
    job, video = made
    told = ask(stack, video)

    assert (told["made_here"], told["job"], told["changed"]) == (True, job["id"], False)
    assert (told["credentials"]["state"], told["credentials"]["model"]) == ("trusted", "fake")
    assert set(told["credentials"]["inputs"]) == {"portrait", "speech"}
    assert told["watermark"]["found"]


def test_a_video_that_was_encoded_again_leads_to_its_job_by_the_watermark(
    stack: Stack, made: tuple[dict[str, Any], bytes]
):
    job, video = made
    told = ask(stack, encoded_again(video))

    assert told["credentials"] is None
    assert (told["made_here"], told["job"], told["changed"]) == (True, job["id"], True)


def test_a_changed_byte_is_told(stack: Stack, made: tuple[dict[str, Any], bytes]):
    job, video = made
    changed = bytearray(video)
    changed[-20] ^= 1

    told = ask(stack, bytes(changed))

    assert (told["credentials"]["state"], told["changed"]) == ("invalid", True)
    assert told["job"] == job["id"]


def test_a_video_that_is_not_ours_is_not_claimed(stack: Stack, made: tuple[dict[str, Any], bytes]):
    told = ask(stack, pictures(0, 40))

    assert (told["made_here"], told["job"], told["changed"], told["credentials"]) == (False, None, None, None)


def test_an_erased_job_still_made_its_video(stack: Stack, made: tuple[dict[str, Any], bytes]):
    job, video = made
    assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204

    assert ask(stack, video)["job"] == job["id"]


@pytest.mark.parametrize("content", [b"", b"text", wav(0.1), pictures(0, 3)[:200], b"\0\0\0\x18ftypisom" + bytes(99)])
def test_what_is_no_video_is_refused(stack: Stack, content: bytes):
    answer = stack.http.post("/v1/verify", files={"video": ("v.mp4", content)})

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (415, "unsupported_media", "video")


def test_nothing_of_an_asked_video_is_kept(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = stack.stored()

    ask(stack, pictures(0, 5))

    assert stack.stored() == before
    assert list(tmp_path.iterdir()) == []
