"""Documents in OpenAPI which problems a call may answer."""

from typing import Any

from services.common.errors import PROBLEM_KINDS, PROBLEM_MEDIA_TYPE, ProblemError

_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "names the argument, its value and the rule it broke"},
        "code": {"type": "string", "description": "stable; decide by this", "enum": sorted(PROBLEM_KINDS)},
        "param": {"type": ["string", "null"], "description": "the request field at fault"},
        "retryable": {"type": "boolean", "description": "may the same request succeed later?"},
        "request_id": {"type": "string"},
    },
}

_ALWAYS = ("invalid_request", "unauthorized", "forbidden", "rate_limited", "service_unavailable", "internal")
"""What any call may answer."""


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route that may answer ``codes``, with an example for each (RFC 9457 problem+json)."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in dict.fromkeys((*codes, *_ALWAYS)):
        kind = PROBLEM_KINDS[code]
        content = responses.setdefault(
            kind.status,
            {"description": "", "content": {PROBLEM_MEDIA_TYPE: {"schema": _SCHEMA, "examples": {}}}},
        )
        content["description"] = ", ".join(filter(None, [content["description"], f"`{code}`"]))
        example = {"summary": kind.title, "value": ProblemError(code, kind.title).as_json()}
        content["content"][PROBLEM_MEDIA_TYPE]["examples"][code] = example
    return responses
