"""What the OpenAPI document promises, tried with thousands of requests that it allows and that it does not.

``./run test -m openapi tests/gateway/test_openapi.py``
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.conftest import Stack
from tests.gateway.made_media import picture
from tests.gateway.test_prompts import PROMPT

pytestmark = [pytest.mark.openapi, pytest.mark.timeout(1800)]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/jobs/events"
"""A stream that never ends by itself."""


@pytest.fixture
def operations(stack: Stack) -> list[schemathesis.APIOperation]:
    schema = schemathesis.openapi.from_dict(stack.http.get("/openapi.json").json())
    schema.config.update(base_url=str(stack.http.base_url))
    return [found.ok() for found in schema.exclude(path=ENDLESS).get_all_operations()]


@pytest.fixture
def known(stack: Stack) -> dict[str, str]:
    """An id of each thing that a path may name."""
    return {
        "file_id": stack.http.post("/v1/files", files={"file": picture("a face")}).json()["id"],
        "job_id": stack.submit(seconds=0.2)["id"],
        "prompt_id": stack.http.post("/v1/prompts", json=PROMPT).json()["id"],
        "webhook_id": stack.http.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}).json()["id"],
    }


def broken(operation: schemathesis.APIOperation, mode: GenerationMode, ids: dict[str, str], tries: int) -> str | None:
    """Call ``operation`` with what it allows, or with what it does not -> what went wrong, by the smallest request."""

    @settings(max_examples=tries, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case) -> None:
        case.path_parameters |= {name: ids[name] for name in case.path_parameters if name in ids}
        case.call_and_validate(checks=CHECKS, timeout=60)

    try:
        call()
    except Unsatisfiable:
        return None  # nothing about it can be made wrong
    except BaseExceptionGroup as failures:
        return "\n".join(str(failure) for failure in failures.exceptions)
    return None


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_no_request_breaks_the_server_or_is_answered_otherwise_than_described(
    operations: list[schemathesis.APIOperation], mode: GenerationMode
):
    found = {operation.label: broken(operation, mode, {}, 40) for operation in operations}

    assert len(found) >= 45
    assert not {label: told for label, told in found.items() if told}


def test_nor_does_one_about_something_that_is_there(operations: list[schemathesis.APIOperation], known: dict[str, str]):
    # What erases comes last.
    about = [operation for operation in operations if any(f"{{{name}}}" in operation.path for name in known)]
    about.sort(key=lambda operation: operation.method == "delete")
    found = {operation.label: broken(operation, GenerationMode.POSITIVE, known, 15) for operation in about}

    assert len(found) >= 20
    assert not {label: told for label, told in found.items() if told}
