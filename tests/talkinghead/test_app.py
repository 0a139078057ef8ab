"""The HTTP server with the models that ship."""

import asyncio
import hashlib
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from services.common.settings import REPOSITORY
from services.talkinghead.app import talkinghead_app
from services.talkinghead.client import REPORT_HEADER, read_captions, read_soundtrack, unpack_segment
from services.talkinghead.schemas import SegmentReport, SpeechReport, TrackReport
from services.talkinghead.settings import TalkingHeadSettings
from tests.talkinghead.videos import decode_video, make_video

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def until_loaded(http: httpx.AsyncClient) -> httpx.Response:
    while (answer := await http.get("/readyz")).json()["parts"] == {"models": "loading"}:
        await asyncio.sleep(0.05)
    return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = talkinghead_app(TalkingHeadSettings(threads=1, max_speech_s=20))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        early = await http.post("/v1/speech", data={"text": "hello"})
        assert (early.status_code, early.json()["code"]) == (503, "service_unavailable")
        assert (await until_loaded(http)).status_code == 200
        yield http


async def test_portrait_and_text_become_a_segment(client, example_portrait):
    fit = await client.post("/v1/portraits", files={"portrait": example_portrait})
    assert fit.json()["width"] == 512
    prepared = await client.post("/v1/speech", data={"text": "Good morning.", "options": json.dumps({"rate": 1.2})})
    speech = SpeechReport.model_validate_json(prepared.headers[REPORT_HEADER])
    assert speech.frames > 10

    made = await client.post(
        "/v1/segments",
        files={"portrait": example_portrait, "speech": prepared.content},
        data={"options": json.dumps({"first_frame": 4, "frames": 3, "steps": 1})},
    )
    report = SegmentReport.model_validate_json(made.headers[REPORT_HEADER])
    assert (report.first_frame, report.frames) == (4, 3)
    assert made.headers["content-type"] == "video/mp4"
    assert made.content[4:8] == b"ftyp"


async def test_a_prepared_text_tells_when_each_sentence_is_spoken_and_a_sound_file_does_not(client, tmp_path: Path):
    prepared = await client.post("/v1/speech", data={"text": "Good morning. How are you?"})
    speech = SpeechReport.model_validate_json(prepared.headers[REPORT_HEADER])
    (tmp_path / "text").write_bytes(prepared.content)
    first, second = read_captions(tmp_path / "text")
    assert (first.text, second.text) == ("Good morning.", "How are you?")
    assert 0 == first.begin_s < first.end_s == second.begin_s < second.end_s == speech.duration_s

    sound = await client.post("/v1/speech", files={"speech": read_soundtrack(tmp_path / "text")})
    (tmp_path / "sound").write_bytes(sound.content)
    assert read_captions(tmp_path / "sound") == []


async def test_a_video_is_tracked_and_becomes_a_segment_at_its_own_rate(client, example_portrait):
    picture = np.asarray(Image.open(io.BytesIO(example_portrait)).convert("RGB").resize((256, 300)))
    video = make_video([picture] * 4, 30)
    fit = await client.post("/v1/portraits", files={"portrait": video})
    assert fit.json()["face_size_px"] > 64
    tracked = await client.post("/v1/tracks", files={"portrait": video})
    report = TrackReport.model_validate_json(tracked.headers[REPORT_HEADER])
    assert (report.fps, report.frames, report.warnings) == ((30, 1), 4, [])
    prepared = await client.post("/v1/speech", data={"text": "Yes."})

    named = {
        "portrait_sha256": hashlib.sha256(video).hexdigest(),
        "track_sha256": hashlib.sha256(tracked.content).hexdigest(),
    }
    made = await client.post(
        "/v1/segments",
        files={"speech": prepared.content},
        data={"options": json.dumps({"first_frame": 3, "frames": 2, "steps": 1})} | named,
    )
    assert SegmentReport.model_validate_json(made.headers[REPORT_HEADER]).frames == 2

    for sha256 in named.values():
        await client.delete(f"/v1/inputs/{sha256}")
    refused = await client.post(
        "/v1/segments",
        files={"speech": prepared.content},
        data={"options": json.dumps({"first_frame": 3, "frames": 2})} | named,
    )
    assert refused.json()["missing"] == ["portrait", "track"]
    assert len(decode_video(made.content)) == 2


async def test_what_was_sent_once_is_told_by_its_hash_until_it_is_erased(client, example_portrait):
    named = {"portrait_sha256": hashlib.sha256(example_portrait).hexdigest()}
    await client.delete(f"/v1/inputs/{named['portrait_sha256']}")
    unknown = await client.post("/v1/portraits", data=named)
    assert (unknown.status_code, unknown.json()["code"], unknown.json()["param"]) == (409, "input_missing", "portrait")

    sent = await client.post("/v1/portraits", files={"portrait": example_portrait})
    assert (await client.post("/v1/portraits", data=named)).json() == sent.json()

    assert (await client.delete(f"/v1/inputs/{named['portrait_sha256']}")).status_code == 204
    assert (await client.post("/v1/portraits", data=named)).json()["code"] == "input_missing"


async def test_file_and_hash_together_are_refused(client, example_portrait):
    answer = await client.post(
        "/v1/portraits", files={"portrait": example_portrait}, data={"portrait_sha256": "00" * 32}
    )
    assert (answer.status_code, answer.json()["param"]) == (422, "portrait")


@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("portraits", {"files": {"portrait": b"no picture"}}, (415, "unsupported_media", "portrait")),
        ("portraits", {"data": {"options": "{}"}}, (422, "invalid_request", "portrait")),
        ("tracks", {"files": {"portrait": b"no video"}}, (415, "unsupported_media", "portrait")),
        ("speech", {"data": {"options": "{}"}}, (422, "invalid_request", "speech")),
        ("speech", {"data": {"text": " "}}, (422, "invalid_request", "text")),
        ("speech", {"data": {"text": "a", "options": '{"rate": 9}'}}, (422, "invalid_request", "rate")),
        ("speech", {"files": {"speech": b"a diary, no sound"}}, (415, "unsupported_media", "speech")),
        ("speech", {"files": {"speech": b""}}, (422, "audio_empty", "speech")),
    ],
)
async def test_bad_input_has_a_code_and_names_the_field(client, path, sent, expected):
    answer = await client.post(f"/v1/{path}", **sent)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["param"]) == expected


async def test_a_segment_needs_a_prepared_speech(client, example_portrait, example_speech):
    answer = await client.post(
        "/v1/segments",
        files={"portrait": example_portrait, "speech": example_speech},
        data={"options": json.dumps({"first_frame": 0, "frames": 1})},
    )
    assert (answer.status_code, answer.json()["param"]) == (422, "speech")


async def test_an_altered_model_file_is_named_and_nothing_is_served(tmp_path, example_portrait):
    weights = shutil.copytree(REPOSITORY / "weights", tmp_path / "weights")
    head = weights / "speech" / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"?")
    app = talkinghead_app(TalkingHeadSettings(threads=1, weights_dir=weights))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http,
    ):
        answer = await until_loaded(http)
        refused = await http.post("/v1/portraits", files={"portrait": example_portrait})
    assert answer.status_code == 503
    assert "head.safetensors" in answer.json()["parts"]["speech"]
    assert answer.json()["parts"]["faces"] == "ready"
    assert refused.json()["code"] == "model_unavailable"


@pytest.mark.asyncio(loop_scope="module")
class TestImportedModel:
    """A tiny model of the published kind with random weights, as `import` writes it."""

    @pytest_asyncio.fixture(scope="class", loop_scope="module")
    async def imported(self, published_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
        app = talkinghead_app(TalkingHeadSettings(threads=1, talkinghead_model=published_folder))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            assert (await until_loaded(http)).status_code == 200
            yield http

    async def test_a_progressive_video_is_made_segment_by_segment(self, imported, example_portrait, example_speech):
        how = {"progressive": True}
        fit = await imported.post(
            "/v1/portraits", files={"portrait": example_portrait}, data={"options": json.dumps(how)}
        )
        assert fit.json()["width"] == 512
        prepared = (await imported.post("/v1/speech", files={"speech": example_speech})).content

        async def segment(first_frame: int, state: bytes | None) -> tuple[bytes, bytes]:
            files = {"portrait": example_portrait, "speech": prepared} | ({"state": state} if state else {})
            options = how | {"first_frame": first_frame, "frames": 12, "steps": 2, "sampler": "dpm-solver++"}
            made = await imported.post("/v1/segments", files=files, data={"options": json.dumps(options)})
            assert made.headers["content-type"] == "application/vnd.safetensors", made.text
            return unpack_segment(made.content)

        first, state = await segment(0, None)
        second, end = await segment(12, state)
        assert len(decode_video(first)) == len(decode_video(second)) == 12
        assert end != state
        lost = await imported.post(
            "/v1/segments",
            files={"portrait": example_portrait, "speech": prepared},
            data={"options": json.dumps(how | {"first_frame": 12, "frames": 1})},
        )
        assert (lost.status_code, lost.json()["param"]) == (422, "state")

    async def test_independent_segments_are_plain_videos(self, imported, example_portrait, example_speech):
        prepared = (await imported.post("/v1/speech", files={"speech": example_speech})).content
        made = await imported.post(
            "/v1/segments",
            files={"portrait": example_portrait, "speech": prepared},
            data={"options": json.dumps({"first_frame": 20, "frames": 2, "steps": 1})},
        )
        assert made.headers["content-type"] == "video/mp4"


async def test_a_model_whose_features_do_not_fit_is_named(tmp_path, published_folder):
    shutil.copytree(published_folder, tmp_path / "model")
    index = tmp_path / "model" / "model_index.json"
    index.write_text(index.read_text().replace('"whisper"', '"deepspeech"'))
    app = talkinghead_app(TalkingHeadSettings(threads=1, talkinghead_model=tmp_path / "model"))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        ready = await until_loaded(http)
    assert ready.status_code == 503
    assert (
        "reads feature vectors of 512 values, but its speech features ('deepspeech') have 29"
        in (ready.json()["parts"]["features"])
    )


async def test_voices_are_listed_and_chosen(client):
    listed = (await client.get("/v1/voices")).json()["voices"]
    assert listed[0] == {"name": "heart", "language": "en-US", "gender": "female"}
    said = {"text": "Good morning.", "options": json.dumps({"voice": "nobody"})}
    refused = await client.post("/v1/speech", data=said)
    assert (refused.status_code, refused.json()["param"]) == (422, "voice")
    assert "heart" in refused.json()["detail"]
