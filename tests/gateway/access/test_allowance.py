"""A key's requests in a minute."""

import httpx

from gateway.access.allowance import Allowance
from gateway.app import build_app
from gateway.processes import free_ports
from tests.gateway.access.conftest import Guarded
from tests.gateway.fakes import serve


def test_what_is_left_is_told_and_what_is_too_much_is_refused(guarded: Guarded):
    (port,) = free_ports(1)
    settings = guarded.stack.settings.model_copy(update={"keys_required": True, "requests_per_minute": 3})
    with serve(build_app(settings), port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        ann, bob = ({"X-API-Key": guarded.key(owner)[0]} for owner in ("ann", "bob"))
        answers = [client.get("/v1/jobs", headers=ann) for _ in range(4)]

        if answers[-1].status_code == 200:  # a minute began meanwhile
            answers += [client.get("/v1/jobs", headers=ann) for _ in range(3)]
        last = answers[-1]
        assert answers[0].headers["RateLimit-Policy"] == '"requests";q=3;w=60'
        assert answers[0].headers["RateLimit"].startswith('"requests";r=2;t=')
        assert (last.status_code, last.json()["code"], last.json()["retryable"]) == (429, "rate_limited", True)
        assert 1 <= int(last.headers["Retry-After"]) <= 60
        assert last.headers["RateLimit"].startswith('"requests";r=0;t=')
        assert client.get("/v1/jobs", headers=bob).status_code == 200
        assert client.get("/livez", headers=ann).status_code == 200


def test_keys_are_counted_apart():
    allowance = Allowance(1000)
    for _ in range(5):
        allowance.take("a")

    assert allowance.take("b").left > allowance.take("a").left
