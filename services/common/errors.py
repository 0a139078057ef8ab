"""One error tree and one JSON shape (RFC 9457 problem+json) for the gateway and every service.

Raise ``ProblemError(code, detail, param=...)``: the code decides status, title and whether a retry may help, so that a
code means the same wherever it appears.
"""

from dataclasses import dataclass
from typing import Any, Final

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """What a stable code stands for."""

    status: int
    title: str
    retryable: bool = False


PROBLEM_KINDS: Final[dict[str, ProblemKind]] = {
    # the request itself
    "invalid_request": ProblemKind(422, "The request is not valid"),
    "unauthorized": ProblemKind(401, "A valid key is needed"),
    "forbidden": ProblemKind(403, "This is not allowed"),
    "not_found": ProblemKind(404, "There is no such thing"),
    "method_not_allowed": ProblemKind(405, "This method is not allowed here"),
    "too_large": ProblemKind(413, "The upload is too large"),
    "unsupported_media": ProblemKind(415, "The media cannot be read"),
    "range_not_satisfiable": ProblemKind(416, "The range lies outside the file"),
    "idempotency_mismatch": ProblemKind(422, "The idempotency key was used for another request"),
    "job_not_finished": ProblemKind(409, "The job has not finished"),
    "job_not_repeatable": ProblemKind(409, "The job cannot be made again"),
    "file_in_use": ProblemKind(409, "A job still needs the file"),
    "address_refused": ProblemKind(422, "The address is not one that may be called"),
    "url_not_fetched": ProblemKind(422, "The address gave no file"),
    "consent_missing": ProblemKind(422, "Whose face it is and why it may be animated is not said"),
    # photos and portraits
    "no_person": ProblemKind(422, "No person was found in the photo"),
    "one_person": ProblemKind(422, "Only one person was found in the photo"),
    "unknown_person": ProblemKind(422, "A symbol names no person of the photo"),
    "no_face": ProblemKind(422, "No face was found"),
    "several_faces": ProblemKind(422, "Several faces were found"),
    "face_too_small": ProblemKind(422, "The face is too small"),
    # speech
    "audio_empty": ProblemKind(422, "The audio holds no sound"),
    "audio_silent": ProblemKind(422, "The audio is silent"),
    "audio_too_long": ProblemKind(422, "The audio is too long"),
    # stories and taxonomies
    "story_empty": ProblemKind(422, "The story is empty"),
    "story_too_long": ProblemKind(422, "The story is too long"),
    "taxonomy_invalid": ProblemKind(422, "The taxonomy is not valid"),
    # the running system
    "input_missing": ProblemKind(409, "The service does not hold this input; send the file"),
    "canceled": ProblemKind(499, "The caller went away or canceled"),
    "rate_limited": ProblemKind(429, "Too many requests", retryable=True),
    "too_many_webhooks": ProblemKind(422, "There are enough webhooks already"),
    "too_many_jobs": ProblemKind(429, "Too many jobs are not finished", retryable=True),
    "compute_exhausted": ProblemKind(429, "The day's computing time is spent", retryable=True),
    "queue_full": ProblemKind(503, "Too many jobs wait already", retryable=True),
    "storage_full": ProblemKind(503, "The disk is full", retryable=True),
    "overloaded": ProblemKind(503, "The service is busy", retryable=True),
    "service_unavailable": ProblemKind(503, "A service cannot be reached", retryable=True),
    "model_unavailable": ProblemKind(503, "A model could not be loaded"),
    "out_of_memory": ProblemKind(507, "The service ran out of memory"),
    "attempts_exhausted": ProblemKind(500, "The job failed too often"),
    "internal": ProblemKind(500, "An unexpected error happened", retryable=True),
}


class ProblemError(Exception):
    """An error that a caller can act on.

    ``code`` is a key of ``PROBLEM_KINDS``; ``detail`` names the argument, the value it had and the rule it broke;
    ``param`` is the request field at fault, if one is; ``extra`` is added to the JSON (for example ``faces``).
    """

    def __init__(self, code: str, detail: str, *, param: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.kind = PROBLEM_KINDS[code]
        self.code, self.detail, self.param, self.extra = code, detail, param, extra

    def as_json(self, request_id: str | None = None) -> dict[str, Any]:
        """The problem+json body (RFC 9457 section 3.1) with our ``code``, ``param`` and ``retryable``."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.code,
            "param": self.param,
            "retryable": self.kind.retryable,
        }
        if request_id is not None:
            body["request_id"] = request_id
        return body | self.extra

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "ProblemError":
        """The error that another part of Raconteur answered; an unknown code becomes ``internal``."""
        code = str(body.get("code"))
        detail = str(body.get("detail") or body.get("title") or "no detail was given")
        if code not in PROBLEM_KINDS:
            return cls("internal", detail)
        known = {"type", "title", "status", "detail", "code", "param", "retryable", "request_id"}
        extra = {key: value for key, value in body.items() if key not in known}
        return cls(code, detail, param=body.get("param"), **extra)
