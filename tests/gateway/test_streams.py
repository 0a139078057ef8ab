"""A video by HLS while it is made, after, and never again once it is stopped or erased; players are FFmpeg's."""

import re
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest

from gateway.store.tables import LOCAL
from tests.gateway.conftest import Stack, on_every_store, wait_for
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import grey_of, pictures, wav

HEAD = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=0
"""


def get(stack: Stack, job_id: str, piece: str = "stream.m3u8") -> httpx.Response:
    return stack.http.get(f"/v1/jobs/{job_id}/{piece}")


def pieces(playlist: str) -> list[str]:
    return re.findall(r"^stream/.*", playlist, re.MULTILINE)


def play(stack: Stack, job_id: str) -> tuple[list[float], list[float], np.ndarray]:
    """The whole stream by FFmpeg's HLS player: times of the pictures in s, their greys, the samples heard from 0 on."""
    url = str(stack.http.base_url.join(f"/v1/jobs/{job_id}/stream.m3u8"))
    times, greys, heard = [], [], []
    with av.open(url, options={"live_start_index": "0"}) as stream:
        for frame in stream.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                times.append(frame.time)
                greys.append(frame.to_ndarray(format="gray").mean())
            else:
                heard.append(frame.to_ndarray()[0])
                assert frame.time == pytest.approx(sum(len(part) for part in heard[:-1]) / frame.sample_rate, abs=1e-4)
    return times, greys, np.concatenate(heard)


def assert_whole(played: tuple[list[float], list[float], np.ndarray], seconds: float, rate_hz: int = 16000) -> None:
    """All pictures in order, each at its time, and the sound of ``wav(seconds)`` beside them, none of it cut."""
    times, greys, heard = played
    spoken = np.sin(np.arange(round(seconds * rate_hz)) * 2 * np.pi * 220 / rate_hz)
    assert times == pytest.approx([n / 25 for n in range(len(times))], abs=1e-4)
    assert 0 <= len(times) / 25 - seconds < 0.04
    assert greys == pytest.approx([grey_of(n) for n in range(len(times))], abs=3)
    assert 0 <= len(heard) - len(spoken) < 1024  # what fills the last packet
    assert np.corrcoef(heard[: len(spoken)], spoken)[0, 1] > 0.99


@on_every_store
def test_a_player_that_joins_while_the_video_is_made_sees_and_hears_all_of_it(stack: Stack):
    stack.fakes.segment_s = 0.4
    job_id = stack.submit(seconds=2.53)["id"]
    wait_for(lambda: stack.job(job_id)["stream"])
    assert stack.job(job_id)["status"] == "running"

    assert_whole(play(stack, job_id), 2.53)


def test_a_video_that_outlasts_its_new_speech_is_streamed_to_its_end(stack: Stack):
    stack.fakes.segment_s = 0.3
    files = {"portrait": ("v.mp4", pictures(0, 60, Fraction(30000, 1001))), "speech": ("s.wav", wav(1.0))}
    job_id = stack.http.post("/v1/videos", files=files, data=CONSENT).json()["id"]
    wait_for(lambda: stack.job(job_id)["stream"])

    while_made = play(stack, job_id)
    stack.wait(job_id)
    after = play(stack, job_id)

    for times, greys, heard in (while_made, after):
        assert times == pytest.approx([n * 1001 / 30000 for n in range(60)], abs=1e-4)
        assert greys == pytest.approx([grey_of(n) for n in range(60)], abs=3)
        assert 0 <= len(heard) - 16000 < 1024
    assert get(stack, job_id).text.startswith(HEAD)


@on_every_store
def test_the_playlist_grows_and_every_version_begins_as_the_one_before(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=1.73)["id"]
    seen: list[str] = [""]

    def ended() -> bool:
        answer = get(stack, job_id)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/vnd.apple.mpegurl")
        assert answer.headers["Cache-Control"] == "no-cache"
        if answer.text != seen[-1]:
            assert answer.text.startswith(seen[-1])
            seen.append(answer.text)
        return stack.job(job_id)["status"] == "succeeded"

    wait_for(ended)

    lengths = '#EXT-X-MAP:URI="stream/head.mp4"\n' + "".join(f"#EXTINF:0.400,\nstream/{n}.m4s\n" for n in range(4))
    assert seen[-1] == HEAD + lengths + "#EXTINF:0.160,\nstream/4.m4s\n#EXT-X-ENDLIST\n"  # 44 frames in tens
    assert len({len(pieces(text)) for text in seen[1:]}) >= 3  # it was seen to grow


@on_every_store
def test_a_finished_video_is_a_whole_stream_of_the_same_pieces(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=1.9)["id"]
    early: dict[str, bytes] = {}
    while stack.job(job_id)["status"] != "succeeded":
        for name in pieces(get(stack, job_id).text):
            early[name] = early.get(name) or get(stack, job_id, name).content
    wait_for(lambda: not any(job_id in name for name in stack.stored()))  # the work in progress is gone

    playlist = get(stack, job_id).text

    assert playlist.endswith("#EXT-X-ENDLIST\n")
    assert len(early) >= 3
    assert {name: get(stack, job_id, name).content for name in early} == early
    assert_whole(play(stack, job_id), 1.9)
    assert stack.job(job_id)["stream"] == f"/v1/jobs/{job_id}/stream.m3u8"
    assert not any(job_id in name for name in stack.stored())  # watching leaves nothing behind


def test_pieces_are_mp4_that_may_be_kept_for_a_while(stack: Stack):
    job_id = stack.wait(stack.submit(seconds=0.5)["id"])["id"]

    for name, begins in {"stream/head.mp4": b"ftyp", "stream/0.m4s": b"moof", "stream/1.m4s": b"moof"}.items():
        answer = get(stack, job_id, name)
        assert answer.content[4:8] == begins
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Cache-Control"] == "private, max-age=3600"
        asked = stack.http.head(f"/v1/jobs/{job_id}/{name}")
        assert (asked.status_code, asked.headers["Content-Length"]) == (200, str(len(answer.content)))
    assert stack.http.head(f"/v1/jobs/{job_id}/stream.m3u8").status_code == 200


def test_a_job_that_has_made_nothing_yet_has_an_empty_playlist_and_no_stream_to_offer(stack: Stack):
    stack.fakes.segment_s = 60
    running = stack.submit(seconds=0.8)["id"]
    stack.wait(running, "running")
    queued = stack.submit(seconds=0.4)["id"]

    for job_id in (running, queued):
        assert get(stack, job_id).text == HEAD  # a player looks again after the target duration
        assert stack.job(job_id)["stream"] is None
        for name in ("stream/head.mp4", "stream/0.m4s"):
            assert (get(stack, job_id, name).status_code, get(stack, job_id, name).json()["code"]) == (404, "not_found")

    stack.fakes.segment_s = 0
    stack.wait(queued)
    assert len(pieces(get(stack, queued).text)) == 1


@on_every_store
def test_a_job_that_is_taken_up_again_keeps_the_segments_it_had(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=4.0)["id"]
    wait_for(lambda: len(pieces(get(stack, job_id).text)) >= 3)
    stack.worker.kill()
    kept = get(stack, job_id).text
    first = get(stack, job_id, "stream/0.m4s").content
    assert stack.job(job_id)["stream"]
    stack.worker.start()

    def ended() -> bool:
        assert get(stack, job_id).text.startswith(kept)
        return stack.job(job_id)["status"] == "succeeded"

    wait_for(ended)
    assert stack.job(job_id)["attempt"] == 2
    assert get(stack, job_id, "stream/0.m4s").content == first
    assert_whole(play(stack, job_id), 4.0)


@pytest.mark.parametrize("end", ["canceled", "failed"])
def test_a_job_that_is_stopped_or_fails_ends_its_stream_and_leaves_nothing(stack: Stack, end: str):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=4.0)["id"]
    wait_for(lambda: len(pieces(get(stack, job_id).text)) >= 1)
    if end == "canceled":
        stack.http.post(f"/v1/jobs/{job_id}/cancel")
    else:
        job = stack.database.of(LOCAL).job(job_id)
        stack.database.jobs.fail(
            job_id, job.fence, {"code": "internal", "message": "", "param": None, "retryable": True}, 60
        )
    assert stack.wait(job_id)["status"] == end

    for name in ("stream.m3u8", "stream/head.mp4", "stream/0.m4s"):
        answer = get(stack, job_id, name)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert f"is {end}: its stream has ended" in answer.json()["detail"]
    assert stack.job(job_id)["stream"] is None
    wait_for(lambda: not any(job_id in name for name in stack.stored()))


@on_every_store
def test_the_stream_is_erased_with_its_job_or_with_its_video(stack: Stack):
    whole, only_video = (stack.wait(stack.submit(seconds=0.5)["id"]) for _ in range(2))
    stack.http.delete(f"/v1/jobs/{whole['id']}")
    stack.http.delete(f"/v1/files/{only_video['output']['file_id']}")

    for job_id in (whole["id"], only_video["id"]):
        for name in ("stream.m3u8", "stream/head.mp4", "stream/0.m4s"):
            assert (get(stack, job_id, name).status_code, get(stack, job_id, name).json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("piece", "status"),
    [
        ("stream/2.m4s", 404),
        ("stream/99999999999999999999999.m4s", 404),
        ("stream/-1.m4s", 422),
        ("stream/x.m4s", 422),
        ("stream/0.m4s.bin", 404),
        ("stream/%2e%2e.m4s", 422),
        ("stream/..%2f..%2f..%2ffiles%2fx.m4s", 404),
        ("stream/segments%2f000000.bin", 404),
        ("stream/head.mp4%2f..%2f..%2fspeech.bin", 404),
    ],
)
def test_only_what_the_playlist_names_is_to_be_had(stack: Stack, job_id: str, piece: str, status: int):
    answer = get(stack, job_id, piece)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("name", ["stream.m3u8", "stream/head.mp4", "stream/0.m4s"])
@pytest.mark.parametrize("unknown", ["x", "..", "%2e%2e", "..%2ffiles", "%2fetc", "0" * 32, "jobs.bin"])
def test_an_id_that_names_no_job_reads_no_folder(stack: Stack, unknown: str, name: str):
    answer = get(stack, unknown, name)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.fixture(scope="module")
def job_id(stack_session: Stack) -> str:
    """A finished video of two segments."""
    stack_session.fakes.reset()
    return stack_session.wait(stack_session.submit(seconds=0.5)["id"])["id"]
