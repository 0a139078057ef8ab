"""Nobody comes in but by a key or by the loopback, whatever route is asked for."""

import re
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from gateway.access.guard import PUBLIC
from gateway.access.keys import Scope, new_key
from gateway.api.console import FILES as CONSOLE
from tests.gateway.access.conftest import Guarded
from tests.gateway.conftest import Stack

Caller = Callable[..., httpx.Client]


def all_calls(guarded: Guarded) -> list[tuple[str, str]]:
    """(method, path with ids filled in) of every route of the app, those outside of the schema, too."""
    found = []

    def walk(routes: list) -> None:
        for route in routes:
            if (included := getattr(route, "original_router", None)) is not None:
                walk(included.routes)
            else:
                found.extend((method, re.sub(r"{\w+}", "1", route.path)) for method in sorted(route.methods))

    walk(guarded.app.routes)
    return found


def test_every_route_is_shut_by_default(guarded: Guarded, caller: Caller):
    calls = all_calls(guarded)
    stranger = caller()

    assert {path for _, path in calls} > {"/v1/jobs/1", "/v1/files/1/content", "/metrics", *PUBLIC - CONSOLE.keys()}
    for method, path in calls:
        answer = stranger.request(method, path)
        if path in PUBLIC:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert method == "HEAD" or answer.json()["code"] == "unauthorized"


def test_the_console_is_open_and_shows_nothing_of_anybody(caller: Caller):
    for path in CONSOLE:
        assert caller().get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/../v1/jobs", "//v1/jobs", "/V1/JOBS", "/livez/", "/docs/x", "/%76%31/jobs"]
)
def test_a_path_that_only_looks_public_is_shut_too(caller: Caller, path: str):
    assert caller().get(path).status_code == 401


def test_a_reading_key_changes_nothing(guarded: Guarded, caller: Caller):
    reader = caller("ann", Scope.READ)

    for method, path in all_calls(guarded):
        if path in PUBLIC or method in ("GET", "HEAD"):
            continue
        answer = reader.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
    assert reader.get("/v1/jobs").status_code == 200


def test_what_concerns_all_owners_needs_the_admin_scope(caller: Caller):
    assert caller("ann").get("/metrics").status_code == 403
    assert caller("ops", Scope.ADMIN).get("/metrics").status_code == 200
    assert caller("ops", Scope.ADMIN).get("/v1/jobs").status_code == 403


def test_a_key_comes_by_either_header(guarded: Guarded, caller: Caller):
    key, _ = guarded.key("ann")

    for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"X-API-Key": key}):
        assert caller().get("/v1/jobs", headers=headers).status_code == 200


def test_an_unknown_an_expired_and_a_revoked_key_are_refused(guarded: Guarded, caller: Caller):
    expired, _ = guarded.key("ann", expires_at=time.time() - 1)
    revoked, record = guarded.key("ann")
    good = {"Authorization": f"Bearer {revoked}"}
    assert caller().get("/v1/jobs", headers=good).status_code == 200
    assert guarded.stack.database.keys.revoke(record.id)

    for key in (new_key(), expired, revoked, revoked.lower(), "", "rk_", "x" * 5000):
        answer = caller().get("/v1/jobs", headers={"X-API-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), key[:20]
        assert not key or key not in answer.text


def test_the_database_holds_no_key(guarded: Guarded):
    key, record = guarded.key("ann")
    stored = guarded.stack.database_bytes()

    assert record.digest.encode() in stored
    assert key.encode() not in stored
    assert key[8:].encode() not in stored


def test_the_secret_is_its_owners_alone(guarded: Guarded):
    path = guarded.stack.settings.data_dir / "secret"

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32


def test_without_keys_only_this_machine_and_no_web_page_may_call(stack: Stack):
    port = stack.http.base_url.port

    def ask(**headers: str) -> int:
        return stack.http.post("/v1/jobs/x/cancel", headers=headers).status_code

    assert ask() == 404
    assert ask(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 404
    assert ask(Host="evil.example") == 403
    assert ask(Origin="https://evil.example") == ask(Origin="null") == 403
    assert ask(Host="127.0.0.1.evil.example") == 403


def test_without_keys_nobody_comes_in_through_a_proxy(stack: Stack):
    answer = stack.http.get("/v1/jobs", headers={"X-Forwarded-For": "203.0.113.9"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_key_is_asked_for_before_the_body_arrives(guarded: Guarded):
    url = httpx.URL(guarded.url)
    head = f"POST /v1/files HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 100000\r\n\r\n"

    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
