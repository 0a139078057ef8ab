"""How a taxonomy arrives: the name of a built-in one, or an object."""

from typing import Any

from pydantic import ValidationError

from gateway.api.photos import json_field
from services.common.app import validation_problem
from services.common.errors import ProblemError
from services.reasoning.schemas import Taxonomy


def taxonomy_field(text: str) -> Any:
    """A form field: a name as it is, or the JSON of an own one. Raises ``taxonomy_invalid``, ``invalid_request``."""
    value = json_field("taxonomy", text) if text.lstrip().startswith("{") else text
    check_taxonomy(value)
    return value


def check_taxonomy(value: Any) -> None:
    """Raises ``taxonomy_invalid`` with what is wrong about it."""
    if isinstance(value, dict):
        try:
            Taxonomy.model_validate(value)
        except ValidationError as error:
            fault = validation_problem(error.errors())
            raise ProblemError("taxonomy_invalid", f"taxonomy.{fault.detail}", param="taxonomy") from None
    elif value not in ("pisc", "pipa"):
        raise ProblemError(
            "taxonomy_invalid", f"taxonomy: {value!r} is not pisc, pipa or a JSON object", param="taxonomy"
        )
