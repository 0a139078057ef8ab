"""POST /v1/videos and the job behind it, through the real gateway, broker, worker and database."""

import io
import json
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from gateway.storage import Storage
from services.common.errors import ProblemError
from services.talkinghead.schemas import SpeechOptions
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import grey_of, picture, pictures, wav


def test_a_portrait_and_speech_become_a_video_as_long_as_the_speech(stack: Stack):
    job = stack.wait(stack.submit(seconds=1.73)["id"])

    assert job["status"] == "succeeded", job
    assert job["progress"] == 1 and job["steps_done"] == job["steps_total"] == 6  # 44 frames in tens, and joining
    assert job["output"]["frames"] == 44 and job["output"]["fps"] == 25
    assert job["warnings"] == ["portrait: small", "speech: quiet"]
    assert set(job["output"]["timings_s"]) == {"portrait", "speech", "segments", "join"}

    content = stack.http.get(job["output"]["url"]).content
    assert content.find(b"moov") < content.find(b"mdat")
    with av.open(io.BytesIO(content)) as video:
        pictures, sound = video.streams.video[0], video.streams.audio[0]
        assert (pictures.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert float(sound.duration * sound.time_base) == pytest.approx(1.73, abs=0.001)
        assert video.duration / 1e6 - 1.73 < 0.04
        frames = list(video.decode(pictures))
    assert [round(frame.time * 25, 3) for frame in frames] == list(range(44))
    greys = [frame.to_ndarray(format="gray").mean() for frame in frames]
    assert np.abs(np.array(greys) - [grey_of(n) for n in range(44)]).max() < 3  # every frame stands in its place


@pytest.mark.parametrize(
    ("seconds", "rest", "frames"),
    [(1.0, "keep", 45), (1.0, "cut", 30), (2.0, "keep", 60), (2.0, "cut", 60)],
    ids=["the rest is kept", "the rest is cut", "a longer voice", "a longer voice, cut"],
)
def test_a_video_is_voiced_anew_at_its_own_rate(stack: Stack, seconds: float, rest: str, frames: int):
    files = {"portrait": ("v.mp4", pictures(0, 45, Fraction(30))), "speech": ("s.wav", wav(seconds))}
    answer = stack.http.post("/v1/videos", files=files, data=CONSENT | {"rest": rest})
    job = stack.wait(answer.json()["id"])

    assert job["status"] == "succeeded", job
    assert (job["output"]["fps"], job["output"]["frames"]) == (30, frames)
    assert job["output"]["duration_s"] == pytest.approx(frames / 30, abs=0.001)
    assert job["warnings"] == ["speech: quiet", "source: nobody there"]
    assert set(job["output"]["timings_s"]) == {"portrait", "speech", "track", "segments", "join"}
    assert stack.fakes.tracks == 1
    assert stack.fakes.segments == list(range(0, frames, 12))  # as long as 10 frames at 25 fps
    with av.open(io.BytesIO(stack.http.get(job["output"]["url"]).content)) as video:
        assert [round(frame.time * 30, 3) for frame in video.decode(video=0)] == list(range(frames))


def test_source_and_track_travel_at_most_once(stack: Stack):
    files = {"portrait": ("v.mp4", pictures(0, 45, Fraction(30))), "speech": ("s.wav", wav(2.0))}
    job = stack.wait(stack.http.post("/v1/videos", files=files, data=CONSENT).json()["id"])

    assert job["status"] == "succeeded", job
    assert len(stack.fakes.segments) == 5
    assert stack.fakes.sent == ["portrait"]  # the track is held where it was made


def test_a_service_that_lost_its_inputs_is_sent_them_once_more(stack: Stack):
    stack.fakes.segment_s = 0.3
    files = {"portrait": ("v.mp4", pictures(0, 45, Fraction(30))), "speech": ("s.wav", wav(2.0))}
    job_id = stack.http.post("/v1/videos", files=files, data=CONSENT).json()["id"]
    wait_for(lambda: len(stack.fakes.finished) == 2)
    stack.fakes.held.clear()

    assert stack.wait(job_id)["status"] == "succeeded"
    assert stack.fakes.sent == ["portrait", "portrait", "track"]
    assert len(stack.fakes.finished) == 5


def test_the_speech_is_prepared_once(stack: Stack):
    stack.wait(stack.submit()["id"])

    assert stack.fakes.speeches == 1


def test_a_text_is_spoken(stack: Stack):
    answer = stack.http.post(
        "/v1/videos", files={"portrait": picture("a face")}, data=CONSENT | {"text": "Good morning."}
    )

    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    assert stack.wait(answer.json()["id"])["output"]["duration_s"] == 1.0


def test_voice_and_rate_are_chosen_and_the_voices_are_listed(stack: Stack):
    assert [voice["name"] for voice in stack.http.get("/v1/voices").json()["voices"]] == ["heart"]
    files, said = {"portrait": ("p.png", picture("a face"))}, CONSENT | {"text": "Good morning.", "rate": 1.4}
    accepted = stack.http.post("/v1/videos", files=files, data=said | {"voice": "heart"})
    assert accepted.status_code == 202, accepted.text
    assert stack.fakes.heard == (SpeechOptions(voice="heart", rate=1.4), None)
    stack.wait(accepted.json()["id"])
    refused = stack.http.post("/v1/videos", files=files, data=said | {"voice": "nobody"})
    assert (refused.status_code, refused.json()["param"]) == (422, "voice")
    assert "['heart']" in refused.json()["detail"]


def test_an_imported_model_is_used_as_the_caller_says(stack: Stack):
    npy = io.BytesIO()
    np.save(npy, np.zeros((50, 29), np.float32))
    files = {"portrait": picture("a face"), "speech": wav(1), "features": npy.getvalue()}
    how = CONSENT | {"progressive": "true", "sampler": "dpm-solver++", "steps": 120}
    accepted = stack.http.post("/v1/videos", files=files, data=how)
    assert accepted.status_code == 202, accepted.text
    assert stack.wait(accepted.json()["id"])["status"] == "succeeded"
    assert stack.fakes.asked is not None
    assert (stack.fakes.asked.steps, stack.fakes.asked.sampler, stack.fakes.asked.progressive) == (
        120,
        "dpm-solver++",
        True,
    )
    assert stack.fakes.heard == (SpeechOptions(), npy.getvalue())

    refused = stack.http.post("/v1/videos", files=files | {"features": wav(1)}, data=CONSENT)
    assert (refused.status_code, refused.json()["param"]) == (415, "features")


def test_uploaded_files_are_used_by_id_and_cannot_be_erased_while_needed(stack: Stack):
    stack.fakes.segment_s = 60
    ids = [
        stack.http.post("/v1/files", files={"file": content}).json()["id"] for content in (picture("a face"), wav(1.0))
    ]
    job = stack.http.post("/v1/videos", data=CONSENT | {"portrait_id": ids[0], "speech_id": ids[1]}).json()

    assert stack.http.delete(f"/v1/files/{ids[0]}").json()["code"] == "file_in_use"
    stack.fakes.segment_s = 0
    assert stack.wait(job["id"])["status"] == "succeeded"
    assert list(stack.fakes.held.values()) == [picture("a face")]
    assert [stack.http.delete(f"/v1/files/{file_id}").status_code for file_id in ids] == [204, 204]
    assert not stack.fakes.held


@pytest.mark.parametrize("erased", ["portrait", "speech"])
def test_a_file_that_is_erased_while_its_row_is_read_is_not_found(stack: Stack, erased: str):
    ids = {
        name: stack.http.post("/v1/files", files={"file": content}).json()["id"]
        for name, content in {"portrait": picture("a face"), "speech": wav(1.0)}.items()
    }
    (stack.settings.data_dir / "files" / ids[erased]).unlink()
    answer = stack.http.post("/v1/videos", data=CONSENT | {f"{name}_id": file_id for name, file_id in ids.items()})
    assert (answer.status_code, answer.json()["param"]) == (404, erased), answer.text


@pytest.mark.parametrize(
    ("portrait", "speech", "code"),
    [
        (picture("no_face"), wav(1), "no_face"),
        (picture("several_faces"), wav(1), "several_faces"),
        (picture("face_too_small"), wav(1), "face_too_small"),
        (b"not a picture", wav(1), "unsupported_media"),
        (wav(1), wav(1), "unsupported_media"),
        (picture("a face"), b"", "audio_empty"),
        (picture("a face"), wav(1, loudness=0), "audio_silent"),
        (picture("a face"), wav(61), "audio_too_long"),
        (picture("a face"), b"a text file named .wav", "unsupported_media"),
        (picture("a face"), b"RIFF....WAVE but broken", "unsupported_media"),
        (picture("a face"), picture("a face"), "unsupported_media"),
        (picture("a face") + bytes(9 << 20), wav(1), "too_large"),
    ],
)
def test_bad_input_is_refused_at_once_and_leaves_nothing(stack: Stack, portrait: bytes, speech: bytes, code: str):
    before, jobs = stack.stored(), stack.http.get("/v1/jobs").json()["jobs"]

    answer = stack.http.post(
        "/v1/videos", files={"portrait": ("p.png", portrait), "speech": ("s.wav", speech)}, data=CONSENT
    )

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code, answer.json()
    assert stack.stored() == before
    assert stack.http.get("/v1/jobs").json()["jobs"] == jobs


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "portrait"),
        ({"portrait_id": "x"}, "speech"),
        ({"portrait_id": "x", "text": "a", "steps": "201"}, "steps"),
        ({"portrait_id": "x", "text": "a", "rest": "loop"}, "rest"),
        ({"portrait_id": "x", "text": "a", "face": "-1"}, "face"),
        ({"portrait_id": "x", "text": "a", "face": "[30, 0, 10, 20]"}, "face"),
    ],
)
def test_a_request_that_makes_no_sense_names_the_field(stack: Stack, fields: dict[str, str], param: str):
    answer = stack.http.post("/v1/videos", data=CONSENT | fields)

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, "invalid_request", param)


@pytest.mark.parametrize(
    ("face", "choice"),
    [("1", 1), ("largest", "largest"), ("[8, 8, 40.5, 40]", [8, 8, 40.5, 40]), ("8,8,40,40", [8, 8, 40, 40])],
)
def test_several_faces_are_fine_when_one_is_chosen(stack: Stack, face: str, choice: object):
    files = {"portrait": picture("several_faces"), "speech": wav(0.5)}
    job = stack.http.post("/v1/videos", files=files, data=CONSENT | {"face": face}).json()

    assert stack.wait(job["id"])["input"]["face"] == choice


def test_a_job_is_accepted_while_the_service_is_busy_and_checks_its_input_itself(stack: Stack):
    stack.fakes.busy = True
    answer = stack.http.post("/v1/videos", files={"portrait": picture("no_face"), "speech": wav(1)}, data=CONSENT)
    assert answer.status_code == 202
    stack.fakes.busy = False

    job = stack.wait(answer.json()["id"])
    assert job["status"] == "failed"
    assert job["error"] == {
        "code": "no_face",
        "message": "portrait: no_face",
        "param": "portrait",
        "retryable": False,
    }


def test_the_same_idempotency_key_gives_the_same_job(stack: Stack):
    headers = {"Idempotency-Key": f"key-{time.time_ns()}"}
    first = stack.submit(headers=headers)
    stack.wait(first["id"])
    wait_for(lambda: not any(first["id"] in name for name in stack.stored()))  # its workspace goes after it is done
    before = stack.stored()

    assert stack.submit(headers=headers)["id"] == first["id"]
    assert stack.stored() == before
    files = {"portrait": picture("a face"), "speech": wav(3.0)}
    other = stack.http.post("/v1/videos", files=files, data=CONSENT, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_progress_is_followed_by_events_to_the_end_and_never_goes_back(stack: Stack):
    stack.fakes.segment_s = 0.3
    job_id = stack.submit(seconds=2.0)["id"]
    with stack.http.stream("GET", f"/v1/jobs/{job_id}/events") as events:
        lines = list(events.iter_lines())

    jobs = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    ids = [int(line[4:]) for line in lines if line.startswith("id: ")]
    assert jobs[-1]["status"] == "succeeded"
    assert len({job["progress"] for job in jobs}) >= 5
    assert [job["progress"] for job in jobs] == sorted(job["progress"] for job in jobs)
    assert any(job["eta_s"] for job in jobs)
    assert ids == sorted(set(ids))

    again = stack.http.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(ids[-1])})
    assert again.status_code == 204
    late = stack.http.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(ids[0])})
    assert late.text.count("event: job") == 1


def test_cancel_stops_a_running_job_and_the_service_it_calls(stack: Stack):
    stack.fakes.segment_s = 300
    job_id = stack.submit()["id"]
    wait_for(lambda: stack.fakes.segments)

    asked = stack.http.post(f"/v1/jobs/{job_id}/cancel").json()
    assert (asked["status"], asked["stage"]) == ("running", "canceling")
    job = stack.wait(job_id)

    assert job["status"] == "canceled"
    wait_for(lambda: stack.fakes.abandoned == 1)  # the service has felt it, too
    assert not stack.fakes.finished
    assert stack.http.post(f"/v1/jobs/{job_id}/cancel").json() == job
    wait_for(lambda: not any(job_id in name for name in stack.stored()))


def test_a_waiting_job_knows_its_place_and_is_canceled_at_once(stack: Stack):
    stack.fakes.segment_s = 60
    first = stack.submit(0.5)["id"]
    stack.wait(first, "running")
    second, third = (stack.submit(0.5)["id"] for _ in range(2))

    assert [stack.job(job_id)["queue_position"] for job_id in (first, second, third)] == [None, 1, 2]
    assert stack.http.post(f"/v1/jobs/{second}/cancel").json()["status"] == "canceled"
    assert stack.job(third)["queue_position"] == 1
    stack.fakes.segment_s = 0
    assert stack.wait(third)["status"] == "succeeded"
    assert stack.job(second)["attempt"] == 0


def test_a_service_that_fails_is_asked_again(stack: Stack):
    stack.fakes.faults += [ProblemError("internal", "gone"), ProblemError("overloaded", "busy")]
    job = stack.wait(stack.submit(0.5)["id"])

    assert (job["status"], job["attempt"]) == ("succeeded", 1)


def test_a_service_that_always_fails_fails_the_job_with_its_code(stack: Stack):
    stack.fakes.faults += [ProblemError("internal", "gone")] * 3
    job = stack.wait(stack.submit(0.5)["id"])

    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", "internal", True)
    assert stack.http.get(f"/v1/jobs/{job['id']}/content").json()["code"] == "not_found"


def test_deleting_a_job_erases_its_files(stack: Stack):
    before = stack.stored()
    stack.fakes.segment_s = 60
    job_id = stack.submit()["id"]
    assert stack.http.delete(f"/v1/jobs/{job_id}").json()["code"] == "job_not_finished"
    assert stack.http.get(f"/v1/jobs/{job_id}/content").json()["code"] == "job_not_finished"
    stack.fakes.segment_s = 0
    stack.wait(job_id)
    assert stack.http.get(f"/v1/jobs/{job_id}/content").content[4:8] == b"ftyp"

    assert stack.http.delete(f"/v1/jobs/{job_id}").status_code == 204

    assert stack.http.get(f"/v1/jobs/{job_id}").json()["code"] == "not_found"
    wait_for(lambda: stack.stored() <= before)
    assert not stack.fakes.held


def test_jobs_are_listed_newest_first_page_by_page(stack: Stack):
    made = [stack.wait(stack.submit(0.2)["id"])["id"] for _ in range(3)]

    page = stack.http.get("/v1/jobs", params={"limit": 2, "status": "succeeded"}).json()
    assert [job["id"] for job in page["jobs"]] == made[:0:-1]
    rest = stack.http.get("/v1/jobs", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert rest["jobs"][0]["id"] == made[0]
    assert stack.http.get("/v1/jobs", params={"status": "lost"}).json()["param"] == "status"


def test_the_mouth_of_a_finished_video_is_measured_and_nobody_elses(stack: Stack):
    job = stack.wait(stack.submit(1.0)["id"])
    told = stack.http.get(f"/v1/jobs/{job['id']}/mouth").json()
    assert (told["fps"], len(told["openings"]), len(told["loudness"])) == (25, 25, 25)

    stack.fakes.segment_s = 5
    running = stack.submit(1.0)
    early = stack.http.get(f"/v1/jobs/{running['id']}/mouth")
    assert (early.status_code, early.json()["code"]) == (409, "job_not_finished")
    stack.http.post(f"/v1/jobs/{running['id']}/cancel").raise_for_status()
    stack.wait(running["id"])
    assert stack.http.get("/v1/jobs/nothing/mouth").status_code == 404

    Storage.of(stack.settings).remove([job["output"]["file_id"]])
    erased = stack.http.get(f"/v1/jobs/{job['id']}/mouth")
    assert (erased.status_code, erased.json()["code"]) == (404, "not_found")
