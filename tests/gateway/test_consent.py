"""No face is animated without a consent, and the consent outlives the job in a log that cannot be changed unnoticed."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.gateway.conftest import Stack
from tests.gateway.made_media import picture, wav

GOOD = {"subject": "Ann Lee", "basis": "written", "reference": "form 12", "given_on": "2026-11-01"}


def ask(stack: Stack, consent: str | None, **data: str):
    files = {"portrait": picture("a face"), "speech": wav(0.3)}
    return stack.http.post("/v1/videos", files=files, data=data | ({} if consent is None else {"consent": consent}))


@pytest.mark.parametrize("consent", [None, "", "  "])
def test_without_a_consent_nothing_is_made_and_nothing_kept(stack: Stack, consent: str | None):
    before = stack.stored()

    answer = ask(stack, consent)

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, "consent_missing", "consent")
    assert stack.stored() == before


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"subject": " "}, "consent.subject"),
        ({"basis": "rumour"}, "consent.basis"),
        ({"basis": "licensed", "reference": ""}, "consent"),
        ({"given_on": "tomorrow"}, "consent.given_on"),
        ({"given_on": (datetime.now(UTC) + timedelta(days=2)).date().isoformat()}, "consent"),
        ({"given_on": None}, "consent.given_on"),
        ({"extra": 1}, "consent.extra"),
    ],
)
def test_a_consent_that_does_not_hold_names_its_part(stack: Stack, change: dict, param: str):
    answer = ask(stack, json.dumps(GOOD | change))

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, "invalid_request", param)


def test_text_that_is_no_json_is_named(stack: Stack):
    assert ask(stack, "yes, of course").json()["param"] == "consent"


def test_the_consent_stays_in_the_audit_log_when_the_job_is_gone(stack: Stack):
    job = stack.wait(ask(stack, json.dumps(GOOD)).json()["id"])
    sha256 = stack.http.get(f"/v1/files/{job['output']['file_id']}").json()["sha256"]
    assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204

    accepted, succeeded, erased = stack.database.audit.entries(job["id"])

    told = json.loads(accepted.details)
    assert (accepted.event, succeeded.event, erased.event) == ("accepted", "succeeded", "erased")
    assert told["consent"] == GOOD
    assert set(told["inputs"]) == {"portrait", "speech"}
    assert (told["owner"], told["key"], told["kind"]) == ("local", "local", "video")
    assert json.loads(succeeded.details) == {"result": sha256}
    assert stack.database.audit.verify().broken_at is None


def test_another_consent_is_another_request(stack: Stack):
    headers = {"Idempotency-Key": "consent"}
    files = {"portrait": picture("a face"), "speech": wav(0.3)}
    answers = [
        stack.http.post("/v1/videos", files=files, data={"consent": json.dumps(consent)}, headers=headers)
        for consent in (GOOD, GOOD | {"subject": "Bob Lee"})
    ]

    assert [answer.status_code for answer in answers] == [202, 422]
    assert answers[1].json()["code"] == "idempotency_mismatch"
