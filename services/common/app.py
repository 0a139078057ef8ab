"""The application factory of every HTTP server of Raconteur: health, metrics, request ids, one shape of error."""

import logging
import math
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.registry import Collector
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.errors import PROBLEM_MEDIA_TYPE, ProblemError
from services.common.tracing import trace_app

REQUEST_ID_HEADER: Final = "X-Request-ID"
_RETRY_AFTER_S: Final = 2

REQUESTS = Counter("raconteur_http_requests_total", "HTTP requests", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("raconteur_http_request_seconds", "Time to answer", ["method", "route"])

log = structlog.get_logger()


def create_app(
    *,
    title: str,
    version: str,
    routers: list[APIRouter],
    ready: Callable[[], Awaitable[dict[str, str]]],
    max_body_bytes: int,
    lifespan: Any = None,
    guards: Sequence[Middleware] = (),
    collector: Collector | None = None,
) -> FastAPI:
    """A FastAPI app with ``/livez``, ``/readyz``, ``/metrics`` and problem+json errors.

    ``ready`` answers the state of each part ("ready" or why not); ``/readyz`` is 200 when all are ready, else 503.
    A body of more than ``max_body_bytes`` is refused with ``too_large`` while it arrives, before it is held.
    ``guards`` see every request before its body is read; the first is the outermost. ``collector`` adds to ``/metrics``
    what is read when it is asked for.
    """
    configure_logging()
    own_metrics = CollectorRegistry()
    if collector is not None:
        own_metrics.register(collector)
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.add_middleware(_BodyLimit, max_body_bytes=max_body_bytes)
    for guard in reversed(guards):
        app.add_middleware(guard.cls, *guard.args, **guard.kwargs)
    app.add_middleware(_Observe)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)

    @app.get("/livez", tags=["health"], summary="Is the process alive?")
    async def livez() -> dict[str, str]:
        """Asks nothing of anybody: whoever gets no answer starts the process again."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], summary="Can requests be served?")
    async def readyz() -> JSONResponse:
        """200 once each part that is needed says "ready", else 503; `parts` tells what each of them waits for."""
        parts = await ready()
        good = all(state == "ready" for state in parts.values())
        return JSONResponse({"status": "ready" if good else "not ready", "parts": parts}, 200 if good else 503)

    @app.get("/metrics", tags=["health"], summary="Prometheus metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Counters, histograms and gauges in Prometheus' text format; seconds and bytes."""
        return Response(generate_latest() + generate_latest(own_metrics), media_type=CONTENT_TYPE_LATEST)

    for router in routers:
        app.include_router(router)
    trace_app(app, title)
    return app


def configure_logging() -> None:
    """JSON lines on standard error: time, level, event, request id; never a story, a name of a file or a pixel."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def problem_response(error: ProblemError, request_id: str | None) -> JSONResponse:
    """problem+json with Retry-After where the caller should come back."""
    headers = {}
    if error.kind.status in (429, 503) and error.kind.retryable:
        headers["Retry-After"] = str(math.ceil(error.extra.get("retry_after_s", _RETRY_AFTER_S)))
    if error.kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.as_json(request_id), error.kind.status, headers, PROBLEM_MEDIA_TYPE)


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class
    return problem_response(error, _request_id(request))


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    return problem_response(validation_problem(error.errors()), _request_id(request))


def validation_problem(errors: Any) -> ProblemError:
    """The first fault of a pydantic error list, named by its field: argument, value, rule."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(place) or None
    value = repr(first.get("input"))
    value = value if len(value) <= 80 else value[:77] + "..."
    return ProblemError("invalid_request", f"{param or 'request'}: {first['msg']} (it was {value})", param=param)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "invalid_request")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem_response(ProblemError(code, detail), _request_id(request))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected_error", exc_info=error, request_id=_request_id(request))
    return problem_response(
        ProblemError("internal", "the server made a mistake; the log has it under this request id"),
        _request_id(request),
    )


class _Observe:
    """Gives each request an id, counts it and times it.

    Plain ASGI, since behind Starlette's ``BaseHTTPMiddleware`` a route cannot see that its caller is gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get(REQUEST_ID_HEADER, "")[:64] or uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status = time.perf_counter(), 500

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(scope["method"], route, str(status)).inc()
            REQUEST_SECONDS.labels(scope["method"], route).observe(time.perf_counter() - began)


class _BodyLimit:
    """Refuses a body that says it is too long, and one that turns out to be, before it is gathered."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app, self._max = app, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max:
            await self._refuse(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > self._max else message

        async def unless_too_large(message: Message) -> None:
            if seen <= self._max:
                await send(message)

        try:
            await self._app(scope, counted, unless_too_large)
        except ClientDisconnect:
            if seen <= self._max:
                raise
        if seen > self._max:
            await self._refuse(scope, receive, send)

    def _rule(self) -> str:
        return f"body: more than {self._max} bytes; the limit is {self._max}"

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(ProblemError("too_large", self._rule()), None)(scope, receive, send)
