"""When a call is sent again, on a server that answers as it is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import httpx
import pytest

from gateway.client import AsyncRaconteur, Raconteur
from gateway.client.call import IDEMPOTENCY_HEADER
from services.common.errors import PROBLEM_MEDIA_TYPE, ProblemError

CONSENT = {"subject": "Ann Lee", "basis": "self", "given_on": "2026-11-01"}
VOICES = {"voices": [{"name": "heart", "language": "en-US", "gender": "female"}]}
JOB = {
    "id": "1", "kind": "video", "status": "queued", "stage": "waiting", "progress": 0, "steps_done": 0,
    "steps_total": 0, "queue_position": 1, "eta_s": None, "attempt": 0, "created_at": "2026-11-22T12:00:00Z",
    "started_at": None, "finished_at": None, "expires_at": None, "input": {}, "output": None, "stream": None,
    "captions": None, "warnings": [], "error": None,
}  # fmt: skip


@dataclass
class Script:
    """``answers`` in order, each a problem's code, an exception or JSON; ``asked`` are the requests."""

    answers: list[object] = field(default_factory=list)
    after: str | None = None
    asked: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        if isinstance(told, str):
            problem = ProblemError(told, "told so")
            headers = {"Content-Type": PROBLEM_MEDIA_TYPE} | ({"Retry-After": self.after} if self.after else {})
            return httpx.Response(problem.kind.status, json=problem.as_json(), headers=headers)
        return httpx.Response(200, json=told)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """The server of every client that is made, and a clock that only notes how long it was to wait."""
    script = Script()
    made = httpx.MockTransport(script)
    for kind in (httpx.Client, httpx.AsyncClient):
        plain = kind.__init__
        monkeypatch.setattr(kind, "__init__", lambda self, plain=plain, **given: plain(self, transport=made, **given))

    async def sleep(seconds: float) -> None:
        script.pauses.append(seconds)

    # The clients' own names alone: whatever else runs in this process must not begin to spin
    monkeypatch.setattr("gateway.client.blocking.time", SimpleNamespace(sleep=script.pauses.append))
    monkeypatch.setattr("gateway.client.aio.asyncio", SimpleNamespace(sleep=sleep))
    return script


@pytest.fixture
def raconteur(script: Script) -> Iterator[Raconteur]:
    with Raconteur("http://gateway") as client:
        yield client


def test_a_busy_gateway_is_asked_again_when_it_said(script: Script, raconteur: Raconteur):
    script.answers, script.after = ["overloaded", "rate_limited", VOICES], "7"
    assert raconteur.voices().voices[0].name == "heart"
    assert script.pauses == [7, 7]


async def test_so_does_the_one_that_is_awaited(script: Script):
    script.answers, script.after = ["overloaded", httpx.ReadError("gone"), VOICES], "3"
    async with AsyncRaconteur("http://gateway") as client:
        assert (await client.voices()).voices[0].name == "heart"
    assert script.pauses[0] == 3 and len(script.asked) == 3


def test_without_a_word_the_pauses_grow(script: Script, raconteur: Raconteur):
    script.answers = [httpx.ReadError("gone"), httpx.ReadError("gone"), httpx.ReadError("gone"), VOICES]
    raconteur.voices()
    first, second, third = script.pauses
    assert 0.25 <= first <= 0.5 <= second <= 1 <= third <= 2


@pytest.mark.parametrize("answer", ["overloaded", httpx.ReadError("gone")])
def test_after_three_more_tries_the_problem_is_raised(script: Script, raconteur: Raconteur, answer: object):
    script.answers, script.after = [answer] * 4, "1"
    with pytest.raises(ProblemError) as caught:
        raconteur.voices()
    assert caught.value.code in ("overloaded", "service_unavailable")
    assert not script.answers


def test_who_is_told_to_come_back_much_later_is_told_at_once(script: Script, raconteur: Raconteur):
    script.answers, script.after = ["compute_exhausted"], "7200"
    with pytest.raises(ProblemError) as caught:
        raconteur.video(b"face", CONSENT, text="Hi.")
    assert caught.value.extra["retry_after_s"] == 7200
    assert not script.pauses


@pytest.mark.parametrize("code", ["no_face", "idempotency_mismatch", "unauthorized", "model_unavailable"])
def test_what_no_retry_mends_is_asked_once(script: Script, raconteur: Raconteur, code: str):
    script.answers = [code]
    with pytest.raises(ProblemError) as caught:
        raconteur.video(b"face", CONSENT, text="Hi.")
    assert caught.value.code == code and len(script.asked) == 1


def test_a_job_is_asked_for_again_with_the_same_key_and_the_whole_file(script: Script, raconteur: Raconteur, tmp_path):
    (tmp_path / "face.png").write_bytes(b"a face")
    script.answers = [httpx.ReadError("gone"), "internal", JOB]
    raconteur.video(tmp_path / "face.png", CONSENT, text="Hi.")
    assert len({request.headers[IDEMPOTENCY_HEADER] for request in script.asked}) == 1
    assert all(b"a face" in request.content and b'"self"' in request.content for request in script.asked)


def test_what_would_be_done_twice_is_sent_again_only_where_nothing_was_done(script: Script, raconteur: Raconteur):
    for broken in (httpx.ReadError("gone"), "internal"):
        script.answers, script.asked = [broken], []
        with pytest.raises(ProblemError):
            raconteur.upload(b"a file")
        assert len(script.asked) == 1
    for refused in (httpx.ConnectError("nobody there"), "storage_full"):
        script.answers = [refused, "too_large"]
        with pytest.raises(ProblemError) as caught:
            raconteur.upload(b"a file")
        assert caught.value.code == "too_large"


def test_a_key_travels_with_every_call(script: Script):
    script.answers = [VOICES]
    with Raconteur("http://gateway", "secret") as client:
        client.voices()
    assert script.asked[0].headers["Authorization"] == "Bearer secret"
