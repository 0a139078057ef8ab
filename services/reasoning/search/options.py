"""Options of a search, checked."""

from typing import Any

from pydantic import ValidationError

from services.common.errors import ProblemError
from services.reasoning.schemas import SearchOptions


def search_options(**given: Any) -> SearchOptions:
    """The options, or ``invalid_request`` naming the one at fault."""
    try:
        return SearchOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "options"
        raise ProblemError(
            "invalid_request", f"{name}: {first['msg']} (it was {first['input']!r})", param=name
        ) from None
