"""The consent without which no face is animated: whose face, on what basis, where that is written, since when."""

from datetime import UTC, date, datetime
from typing import Annotated, Final

from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.api.photos import json_field
from gateway.jobs.inputs import Basis
from services.common.app import validation_problem
from services.common.errors import ProblemError

_NEEDS_REFERENCE: Final = ("written", "licensed")
EXAMPLE: Final = '{"subject": "Ann Lee", "basis": "written", "reference": "form 12", "given_on": "2026-11-01"}'


class Consent(BaseModel):
    """Is kept in the audit log for good, so name nothing here that is not needed to prove the consent."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    subject: str = Field(min_length=1, max_length=200, description="whose face is animated")
    basis: Basis
    reference: str = Field("", max_length=500, description="where consent or licence can be looked up")
    given_on: date

    @model_validator(mode="after")
    def _holds(self) -> "Consent":
        if self.basis in _NEEDS_REFERENCE and not self.reference:
            raise ValueError(f"basis {self.basis} needs a reference: where can it be looked up?")
        if self.given_on > datetime.now(UTC).date():
            raise ValueError(f"given_on {self.given_on} lies in the future")
        return self


ConsentField = Annotated[
    str | None,
    Form(
        max_length=2000,
        description="as JSON: `subject` (whose face), `basis` (self, written, licensed or synthetic), `reference` "
        "(where it can be looked up; needed for written and licensed) and `given_on` (a date)",
        examples=[EXAMPLE],
    ),
]


def read_consent(text: str | None) -> Consent:
    """Raises ``consent_missing``, or ``invalid_request`` with the part of it that does not hold."""
    if text is None or not text.strip():
        raise ProblemError(
            "consent_missing",
            f"consent: say whose face it is and on what basis it may be animated, as JSON, for example {EXAMPLE}",
            param="consent",
        )
    try:
        return Consent.model_validate(json_field("consent", text))
    except ValidationError as error:
        fault = validation_problem(error.errors())
        param = "consent" if fault.param is None else f"consent.{fault.param}"
        raise ProblemError("invalid_request", f"consent: {fault.detail}", param=param) from None
