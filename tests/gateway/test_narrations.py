"""POST /v1/narrations and the job behind it, through the real gateway, broker, worker and database."""

import io
import json
from typing import Any

import av
import pytest

from services.common.errors import ProblemError
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, pictures

STORY = (
    "Two people are in the photo. <P1>, a woman of about 30, is on the left. <P2>, a man of about 35, is on the right, "
    "next to <P1>."
)
RELATION = {
    "pair": ["P1", "P2"],
    "label": "couple",
    "coarse": None,
    "probabilities": {"couple": 0.8, "friends": 0.2},
    "abstained": False,
    "explanation": "<P1> and <P2> embrace.",
    "evidence": [],
}
ENGAGED = (
    "I see two people: a woman on the left and a man on the right. The woman on the left and the man on the right "
    "clearly seem to be a couple. I say so because they embrace. This is a guess and no more."
)


def narrate(stack: Stack, shows: str | None = "people=3", face: str = "a face", **fields: Any) -> dict[str, Any]:
    files = {"portrait": picture(face)} | ({} if shows is None else {"photo": picture(shows)})
    answer = stack.http.post("/v1/narrations", files=files, data=CONSENT | fields)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def script(stack: Stack, shows: str | None = None, **fields: Any) -> dict[str, Any]:
    files = {} if shows is None else {"photo": picture(shows)}
    return stack.http.post("/v1/narrations/scripts", files=files, data=fields).json()


def test_a_photo_that_is_erased_while_its_row_is_read_is_not_found(stack: Stack):
    photo = stack.http.post("/v1/files", files={"file": picture("people=2")}).json()["id"]
    (stack.settings.data_dir / "files" / photo).unlink()
    answer = stack.http.post("/v1/narrations/scripts", data={"photo_id": photo})
    assert (answer.status_code, answer.json()["param"]) == (404, "photo"), answer.text


def folder_of(stack: Stack, job_id: str) -> set[str]:
    return {name.rpartition(f"{job_id}/")[2] for name in stack.stored() if job_id in name}


def test_a_photo_is_told_by_a_portrait(stack: Stack):
    job = stack.wait(narrate(stack, pair='["P1", "P3"]')["id"])

    assert job["status"] == "succeeded", job
    output = job["output"]
    assert output["script"] == (
        "I see three people. The first person and the third person seem to be friends. They stand there. "
        "This is a guess and no more."
    )
    assert (output["pair"], output["label"], output["probability"]) == (["P1", "P3"], "friends", 0.5)
    stages = {"perception", "reasoning", "script", "portrait", "speech", "segments", "join"}
    assert set(output["timings_s"]) == stages
    assert job["kind"] == "narration" and job["input"]["pair"] == ["P1", "P3"] and job["input"]["text"] is None
    assert (output["frames"], output["fps"]) == (25, 25)
    assert job["warnings"] == ["portrait: small", "speech: quiet"]
    with av.open(io.BytesIO(stack.http.get(output["url"]).content)) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio", "subtitle"]


def test_captions_are_beside_the_video_sentence_by_sentence(stack: Stack):
    job = stack.wait(narrate(stack)["id"])

    captions = stack.http.get(job["captions"])

    assert captions.headers["Content-Type"].startswith("text/vtt")
    assert captions.text.startswith(
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.250\nI see three people.\n\n00:00:00.250 --> 00:00:00.500\n"
    )
    assert captions.text.count("-->") == 4
    assert "<" not in captions.text


def test_a_video_of_a_text_has_captions_while_it_is_made_and_one_of_a_voice_has_none(stack: Stack):
    stack.fakes.segment_s = 0.4
    files = {"portrait": picture("a face")}
    text = stack.http.post("/v1/videos", files=files, data=CONSENT | {"text": "Good morning. Hi!"}).json()
    assert text["captions"] is None
    early = wait_for(lambda: stack.job(text["id"])["captions"])
    stack.fakes.segment_s = 60  # one segment is there, the others can wait
    assert stack.job(text["id"])["status"] == "running"
    told = stack.http.get(early).text
    assert "00:00:00.500 --> 00:00:01.000\nHi!" in told
    stack.fakes.segment_s = 0
    assert stack.wait(text["id"])["status"] == "succeeded"
    assert stack.http.get(early).text == told

    voice = stack.wait(stack.submit(0.5)["id"])
    assert voice["captions"] is None
    missing = stack.http.get(f"/v1/jobs/{voice['id']}/captions.vtt")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_without_a_pair_the_surest_relation_is_told_and_only_that_one_is_explained(stack: Stack):
    stack.fakes.surest = ("P2", "P3")
    job = stack.wait(narrate(stack)["id"])

    assert (job["output"]["pair"], job["output"]["probability"]) == (["P2", "P3"], 1.0)
    assert "The second person and the third person clearly seem to be friends." in job["output"]["script"]
    assert [(asked.explain, asked.pairs) for asked in stack.fakes.questions] == [(False, None), (True, [("P2", "P3")])]


def test_a_relation_that_is_abstained_from_is_told_as_unknown(stack: Stack):
    output = stack.wait(narrate(stack, abstain_below="0.6")["id"])["output"]

    assert output["script"].endswith("How the first person and the second person relate, I cannot tell.")
    assert (output["label"], output["probability"]) == (None, None)


class TestScripts:
    def test_a_photo_becomes_a_script_that_can_be_mended_before_it_is_spoken(self, stack: Stack):
        written = script(stack, "people=2")
        assert written["script"].startswith("I see two people. The first person and the second person seem to be")
        assert written["relation"]["pair"] == ["P1", "P2"]

        mended = written["script"].replace("The first person", "Ann")
        job = stack.wait(narrate(stack, None, script=mended)["id"])

        assert job["output"]["script"] == mended == job["input"]["text"]
        assert "Ann and the second person" in stack.http.get(job["captions"]).text
        assert len(stack.fakes.questions) == 2  # for the script, not for the job

    def test_a_relation_that_was_answered_before_is_told_without_asking_again(self, stack: Stack):
        written = script(stack, story=STORY, relation=json.dumps(RELATION))

        assert written["script"] == ENGAGED
        assert written["relation"].items() >= RELATION.items() and written["story"] == STORY
        assert not stack.fakes.questions

    def test_a_story_needs_no_photo(self, stack: Stack):
        written = script(stack, story=STORY)
        assert "The woman on the left and the man on the right seem to be friends." in written["script"]

    @pytest.mark.parametrize(
        ("fields", "code", "param"),
        [
            ({}, "invalid_request", "photo"),
            ({"story": STORY, "photo_id": "0"}, "invalid_request", "photo"),
            ({"photo_id": "0" * 32}, "not_found", "id"),
            ({"story": "Nobody."}, "no_person", "story"),
            ({"story": "<P1> waits."}, "one_person", "story"),
            ({"story": STORY, "pair": '["P1", "P9"]'}, "unknown_person", "pair"),
            ({"story": STORY, "pair": "P1,P2"}, "invalid_request", "pair"),
            ({"story": STORY, "pair": '["P1"]'}, "invalid_request", "pair.1"),
            ({"story": STORY, "taxonomy": "zodiac"}, "taxonomy_invalid", "taxonomy"),
            ({"story": STORY, "relation": "{}"}, "invalid_request", "relation"),
            ({"story": STORY, "relation": json.dumps(RELATION | {"label": "foes"})}, "invalid_request", "relation"),
            (
                {"story": STORY, "relation": json.dumps(RELATION | {"probabilities": {"couple": float("nan")}})},
                "invalid_request",
                "relation",
            ),
            ({"story": STORY, "relation": "[]"}, "invalid_request", "relation"),
            (
                {
                    "story": STORY,
                    "relation": json.dumps(RELATION | {"roles": {"people": {"boss": "P7"}, "probability": 1}}),
                },
                "invalid_request",
                "relation",
            ),
            ({"story": STORY, "relation": json.dumps(RELATION), "taxonomy": "pipa"}, "invalid_request", "relation"),
            (
                {"story": STORY, "relation": json.dumps(RELATION), "leave_out_sensitive": "true"},
                "invalid_request",
                "relation",
            ),
            ({"story": "x" * 12_001}, "invalid_request", "story"),
        ],
    )
    def test_what_makes_no_sense_names_the_field(self, stack: Stack, fields: dict, code: str, param: str):
        answer = stack.http.post("/v1/narrations/scripts", data=fields)
        assert (answer.json()["code"], answer.json()["param"]) == (code, param), answer.text
        assert answer.is_client_error


def test_sensitive_labels_stay_out_where_they_are_left_out(stack: Stack):
    stack.wait(narrate(stack, leave_out_sensitive="true")["id"])
    assert [asked.leave_out_sensitive for asked in stack.fakes.questions] == [True, True]


def test_nobody_s_face_is_animated_without_a_consent(stack: Stack):
    files = {"portrait": picture("a face"), "photo": picture("people=2")}
    answer = stack.http.post("/v1/narrations", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "consent_missing")


@pytest.mark.parametrize(
    ("files", "fields", "code", "param"),
    [
        ({"photo": "people=2"}, {}, "invalid_request", "portrait"),
        ({"portrait": "a face"}, {}, "invalid_request", "photo"),
        ({"photo": "people=2", "portrait": "a face"}, {"script": "Hi."}, "invalid_request", "photo"),
        ({"photo": "people=2", "portrait": "no_face"}, {}, "no_face", "portrait"),
        ({"photo": "people=0", "portrait": "a face"}, {}, "no_person", "photo"),
        ({"photo": "people=1", "portrait": "a face"}, {}, "one_person", "photo"),
        ({"photo": "broken", "portrait": "a face"}, {}, "unsupported_media", "photo"),
        ({"photo": "people=2", "portrait": "a face"}, {"pair": '["P1", "P5"]'}, "unknown_person", "pair"),
        ({"portrait": "a face"}, {"script": " "}, "audio_empty", "script"),
        ({"portrait": "a face"}, {"script": "x" * 5001}, "audio_too_long", "script"),
        ({"photo": "people=2", "portrait": "a face"}, {"steps": "0"}, "invalid_request", "steps"),
    ],
)
def test_bad_input_is_refused_at_once_and_leaves_nothing(stack: Stack, files, fields, code: str, param: str):
    before, jobs = stack.stored(), stack.http.get("/v1/jobs").json()["jobs"]

    sent = {name: picture(shown) for name, shown in files.items()}
    answer = stack.http.post("/v1/narrations", files=sent, data=CONSENT | fields)

    assert answer.is_client_error
    assert (answer.json()["code"], answer.json()["param"]) == (code, param)
    assert stack.stored() == before
    assert stack.http.get("/v1/jobs").json()["jobs"] == jobs


def test_while_nobody_can_look_the_job_looks_itself_and_erases_the_photo_then(stack: Stack):
    stack.fakes.blind = True
    stack.fakes.segment_s = 0.5
    job_id = narrate(stack, "people=2")["id"]
    assert "photo" in folder_of(stack, job_id)
    stack.fakes.blind = False

    wait_for(lambda: stack.fakes.segments)
    assert "photo" not in folder_of(stack, job_id)
    assert stack.wait(job_id)["status"] == "succeeded"
    assert stack.fakes.looks == 1


def test_a_photo_that_turns_out_to_show_nobody_fails_the_job_with_the_code(stack: Stack):
    stack.fakes.blind = True
    job_id = narrate(stack, "people=0")["id"]
    stack.fakes.blind = False
    job = stack.wait(job_id)
    assert (job["status"], job["error"]["code"], job["error"]["param"]) == ("failed", "no_person", "photo")


def test_a_stored_photo_is_used_by_its_id_and_stays_the_caller_s(stack: Stack):
    photo = stack.http.post("/v1/files", files={"file": picture("people=2")}).json()["id"]
    job = stack.wait(narrate(stack, None, photo_id=photo)["id"])
    assert job["status"] == "succeeded" and job["input"]["photo"] == photo
    assert stack.http.get(f"/v1/files/{photo}").status_code == 200
    assert stack.http.delete(f"/v1/files/{photo}").status_code == 204
    assert stack.http.get(f"/v1/jobs/{job['id']}").status_code == 404  # what was made of it goes with it


def test_a_video_tells_a_photo_too(stack: Stack):
    files = {"portrait": ("v.mp4", pictures(0, 30)), "photo": picture("people=2")}
    answer = stack.http.post("/v1/narrations", files=files, data=CONSENT | {"rest": "cut"})
    job = stack.wait(answer.json()["id"])
    assert job["status"] == "succeeded" and job["output"]["frames"] == 25
    assert stack.fakes.tracks == 1


class TestRecovery:
    def test_killed_while_it_thinks_a_narration_looks_at_the_photo_no_second_time(self, stack: Stack):
        stack.fakes.blind = True
        job_id = narrate(stack, "people=3")["id"]
        stack.fakes.blind, stack.fakes.thinking_s = False, 300
        wait_for(lambda: stack.fakes.questions)
        stack.worker.kill()
        stack.fakes.thinking_s = 0
        stack.worker.start()

        job = stack.wait(job_id)

        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        assert stack.fakes.looks == 1

    def test_killed_among_its_segments_it_asks_nobody_again(self, stack: Stack):
        stack.fakes.segment_s = 0.4
        job_id = narrate(stack, "people=2")["id"]
        wait_for(lambda: len(stack.fakes.finished) >= 2)
        asked, words = len(stack.fakes.questions), stack.http.get(f"/v1/jobs/{job_id}/captions.vtt").text
        stack.worker.kill()
        stack.worker.start()

        job = stack.wait(job_id)

        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        assert (len(stack.fakes.questions), stack.fakes.speeches) == (asked, 1)
        assert len(stack.fakes.segments) <= 5  # 25 frames in tens, and at most two of them twice
        assert stack.http.get(job["captions"]).text == words

    def test_a_service_that_fails_is_asked_again(self, stack: Stack):
        stack.fakes.faults.append(ProblemError("internal", "gone"))
        assert stack.wait(narrate(stack)["id"])["status"] == "succeeded"


def test_cancel_stops_a_narration_that_thinks(stack: Stack):
    stack.fakes.thinking_s = 300
    job_id = narrate(stack)["id"]
    wait_for(lambda: stack.fakes.questions)
    stage = stack.job(job_id)
    assert (stage["stage"], stage["progress"], stage["captions"]) == ("reasoning", 0, None)
    stack.http.post(f"/v1/jobs/{job_id}/cancel")
    assert stack.wait(job_id)["status"] == "canceled"
    stack.fakes.thinking_s = 0
    wait_for(lambda: folder_of(stack, job_id) == {f"jobs/{job_id}", "question.json", "perception.json"})
    stack.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    assert not folder_of(stack, job_id)


def test_one_key_makes_one_narration(stack: Stack):
    headers = {"Idempotency-Key": "narration-1"}
    files = {"portrait": picture("a face"), "photo": picture("people=2")}
    send = {"files": files, "data": CONSENT, "headers": headers}
    one, two = (stack.http.post("/v1/narrations", **send).json() for _ in range(2))
    assert one["id"] == two["id"]
    other = stack.http.post("/v1/narrations", **send | {"data": CONSENT | {"pair": '["P2", "P1"]'}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    stack.wait(one["id"])


def test_what_was_made_says_from_what_and_leads_back(stack: Stack):
    job = stack.wait(narrate(stack, "people=2")["id"])
    video = stack.http.get(f"/v1/jobs/{job['id']}/content").content

    verdict = stack.http.post("/v1/verify", files={"video": ("v.mp4", video)}).json()

    assert (verdict["made_here"], verdict["job"], verdict["changed"]) == (True, job["id"], False)
    assert set(verdict["credentials"]["inputs"]) == {"portrait", "photo", "text"}
    (accepted, *_) = stack.database.audit.entries(job["id"])
    told = json.loads(accepted.details)
    assert told["consent"]["subject"] == "Ann Lee" and set(told["inputs"]) == {"portrait", "photo"}


def test_nothing_private_is_in_a_log_and_the_story_goes_with_the_job(stack: Stack):
    story = STORY.replace("woman", "violinist woman")
    log = stack.worker.log.stat().st_size
    job = stack.wait(narrate(stack, None, story=story)["id"])
    assert job["status"] == "succeeded"
    wait_for(lambda: not folder_of(stack, job["id"]))

    assert b"violinist" not in stack.database_bytes()
    with stack.worker.log.open("rb") as file:
        file.seek(log)
        told = file.read()
    assert job["id"].encode() in told
    assert b"violinist" not in told and b"on the left" not in told and b"Ann Lee" not in told


def test_a_narration_is_watched_while_it_is_made_and_shared_with_its_captions(stack: Stack):
    stack.fakes.segment_s = 0.4
    job_id = narrate(stack, "people=2")["id"]
    stream = wait_for(lambda: stack.job(job_id)["stream"])
    assert "stream/0.m4s" in stack.http.get(stream).text
    links = stack.http.post(f"/v1/jobs/{job_id}/links").json()
    assert stack.http.get(links["captions"]).text.startswith("WEBVTT")
    assert stack.wait(job_id)["status"] == "succeeded"
