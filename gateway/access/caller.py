"""Who calls, as the guard found out; routes take it as ``CallerDep``."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from gateway.access.keys import Scope
from services.common.errors import ProblemError


@dataclass(frozen=True)
class Caller:
    """``key_id`` is that of the key, or "local" without one. ``link`` is the query of a signed link, or empty."""

    owner: str
    key_id: str
    scopes: frozenset[Scope]
    link: str = ""

    def need(self, scope: Scope) -> None:
        """Raises ``forbidden``."""
        if scope not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "none"
            raise ProblemError("forbidden", f"this call needs the scope {scope}; the key has {has}")


def caller_of(request: Request) -> Caller:
    """Who sent the request, as the guard found out."""
    return cast(Caller, request.state.caller)


def _admin(request: Request) -> Caller:
    caller = caller_of(request)
    caller.need(Scope.ADMIN)
    return caller


CallerDep = Annotated[Caller, Depends(caller_of)]
ADMIN_ONLY: Any = Depends(_admin)
"""For ``dependencies`` of routes that concern all owners."""
