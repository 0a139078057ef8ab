"""The client knows the whole public API, in both of its forms."""

import inspect
import re
from typing import Any

import pytest

from gateway.app import build_app
from gateway.client import AsyncRaconteur, Raconteur, calls
from gateway.client.call import Call
from tests.gateway.conftest import Stack

BY_THE_CLIENT_ITSELF = {
    ("GET", "/v1/jobs/{}/content"),  # download
    ("GET", "/v1/files/{}/content"),  # download_file
    ("GET", "/v1/jobs/{}/events"),  # follow, wait
    ("GET", "/v1/jobs/events"),  # follow_all
    ("GET", "/livez"),  # alive
    ("GET", "/readyz"),  # ready
}
BUILDERS = {
    name: build
    for name, build in inspect.getmembers(calls, inspect.isfunction)
    if build.__module__ == calls.__name__ and not name.startswith("_")
}


def built(name: str) -> Call[Any]:
    """The call with nothing in it but what it must have; ids are ``{}``."""
    given = {
        parameter.name: "{}"
        for parameter in inspect.signature(BUILDERS[name]).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    return BUILDERS[name](**given)


def test_every_public_endpoint_has_its_call(stack: Stack):
    documented = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in build_app(stack.settings).openapi()["paths"].items()
        for method in methods
    }
    known = {(call.method, call.path) for call in map(built, BUILDERS)}
    assert documented == known | BY_THE_CLIENT_ITSELF


def test_both_clients_have_every_call_and_the_same_ones():
    for client in (Raconteur, AsyncRaconteur):
        missing = [name for name in BUILDERS if getattr(client, name).__wrapped__ is not BUILDERS[name]]
        assert not missing, client
    public = [{name for name in vars(client) if not name.startswith("_")} for client in (Raconteur, AsyncRaconteur)]
    assert public[0] == public[1]


@pytest.mark.parametrize("name", ["video", "narration", "search_prompt", "evaluate"])
def test_what_makes_a_job_has_a_key_of_its_own_each_time(name: str):
    assert built(name).key != built(name).key


def test_what_would_be_done_twice_is_not_sent_twice():
    once = {name for name in BUILDERS if not built(name).repeatable}
    assert once == {
        "upload",
        "repeat_job",
        "create_prompt",
        "roll_back_prompt",
        "create_webhook",
        "rotate_webhook",
        "redeliver",
    }
