"""/v1/webhooks, by the running gateway and worker."""

from collections.abc import Iterator

import pytest

from services.common.errors import ProblemError
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.webhooks.receiver import Receiver, receiving


@pytest.fixture
def hook(stack: Stack) -> Iterator[tuple[Receiver, dict]]:
    """An owner's server and its webhook, as it was created."""
    with receiving() as receiver:
        created = stack.http.post("/v1/webhooks", json={"url": receiver.url})
        assert created.status_code == 201, created.text
        yield receiver, created.json()
        assert stack.http.delete(f"/v1/webhooks/{created.json()['id']}").status_code == 204


def test_a_finished_job_is_told_and_the_log_says_so(stack: Stack, hook: tuple[Receiver, dict]):
    receiver, webhook = hook
    job = stack.wait(stack.submit(seconds=0.4)["id"])
    wait_for(lambda: len(receiver.told) == 1)  # messages that wait at the same time may arrive in any order
    stack.fakes.faults.append(ProblemError("no_face", "portrait: none"))
    failed = stack.wait(stack.submit(seconds=0.4)["id"])
    wait_for(lambda: len(receiver.told) == 2)

    events = [told.verified(webhook["secret"]) for told in receiver.told]
    assert [(event["type"], event["data"]["id"]) for event in events] == [
        ("job.succeeded", job["id"]),
        ("job.failed", failed["id"]),
    ]
    assert events[1]["data"]["error"] == {"code": "no_face", "param": None, "retryable": False}
    assert stack.http.get(events[0]["data"]["url"]).json()["status"] == "succeeded"
    place = f"/v1/webhooks/{webhook['id']}/messages"
    wait_for(lambda: not stack.http.get(place, params={"state": "waiting"}).json()["messages"])
    first = stack.http.get(place, params={"limit": 1}).json()
    second = stack.http.get(place, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    log = first["messages"] + second["messages"]
    assert [(told["id"], told["job_id"], told["state"]) for told in reversed(log)] == [
        (told.id, event["data"]["id"], "delivered") for told, event in zip(receiver.told, events, strict=True)
    ]
    assert [told["status"] for message in log for told in message["tries"]] == [204, 204]
    assert second["next_cursor"] is None

    again = stack.http.post(f"{place}/{receiver.told[0].id}/redeliver")

    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    wait_for(lambda: len(receiver.told) == 3)
    assert receiver.told[2].body == receiver.told[0].body


def test_the_secret_is_shown_once_and_another_one_takes_its_place(stack: Stack, hook: tuple[Receiver, dict]):
    _, webhook = hook
    place = f"/v1/webhooks/{webhook['id']}"
    secret = webhook.pop("secret")
    assert stack.http.get(place).json() == webhook
    assert webhook in stack.http.get("/v1/webhooks").json()["webhooks"]

    rotated = stack.http.post(f"{place}/rotate").json()

    assert rotated.pop("secret") != secret
    assert rotated == webhook
    assert secret.encode() not in stack.database_bytes()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"url": "https://10.0.0.1/"}, "address_refused", "url"),
        ({"url": "http://8.8.8.8/"}, "address_refused", "url"),
        ({"url": "ftp://a.example/"}, "address_refused", "url"),
        ({"url": "https://no-such-name.invalid/"}, "address_refused", "url"),
        ({"url": "https://8.8.8.8/", "events": ["job.started"]}, "invalid_request", "events.0"),
        ({"url": "https://8.8.8.8/", "events": []}, "invalid_request", "events"),
        ({"url": "https://8.8.8.8/", "secret": "mine"}, "invalid_request", "secret"),
        ({}, "invalid_request", "url"),
    ],
)
def test_what_cannot_be_a_webhook_is_refused_and_told_why(stack: Stack, body: dict, code: str, param: str):
    answer = stack.http.post("/v1/webhooks", json=body)

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, code, param)


def test_what_is_not_there_is_404(stack: Stack, hook: tuple[Receiver, dict]):
    nobody, (_, webhook) = "0" * 32, hook
    for method, path in (
        ("GET", nobody),
        ("DELETE", nobody),
        ("POST", f"{nobody}/rotate"),
        ("GET", f"{nobody}/messages"),
        ("POST", f"{nobody}/messages/{nobody}/redeliver"),
        ("POST", f"{webhook['id']}/messages/{nobody}/redeliver"),
    ):
        answer = stack.http.request(method, f"/v1/webhooks/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
