"""Database, bucket or disk are away or full: 503 and come back, not a mistake of the server.

What they cannot hold: 422.
"""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import DataError

from gateway.disk import disk_is_full
from gateway.objects.port import StoreAwayError
from gateway.store.database import OUTAGES
from services.common.app import problem_response
from services.common.errors import ProblemError

log = structlog.get_logger()


def answer_outages(app: FastAPI) -> None:
    """Have ``app`` answer what is away or full as a problem: 503, or 422 for what cannot be stored."""
    for kind in OUTAGES:
        app.add_exception_handler(kind, _answer(_database))
    app.add_exception_handler(DataError, _answer(_value))
    app.add_exception_handler(StoreAwayError, _answer(_store))
    app.add_exception_handler(OSError, _answer(_disk))


def _answer(told: Callable[[Exception], ProblemError]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(request: Request, error: Exception) -> Response:
        problem = told(error)
        request_id = getattr(request.state, "request_id", None)
        log.error("not_served", code=problem.code, reason=type(error).__name__, request_id=request_id)
        return problem_response(problem, request_id)

    return handler


def _database(error: Exception) -> ProblemError:
    return ProblemError("service_unavailable", f"the database cannot be reached: {type(error).__name__}")


def _value(_error: Exception) -> ProblemError:
    """PostgreSQL holds no text with a NUL in it."""
    return ProblemError("invalid_request", "a value of the request holds a character that cannot be stored")


def _store(error: Exception) -> ProblemError:
    return ProblemError("service_unavailable", f"the store of files cannot be reached: {error}")


def _disk(error: Exception) -> ProblemError:
    if isinstance(error, OSError) and disk_is_full(error):
        return ProblemError("storage_full", "the disk is full; nothing of this request was kept")
    return ProblemError("internal", f"the disk cannot be used: {type(error).__name__}")
