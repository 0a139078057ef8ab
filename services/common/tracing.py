"""OpenTelemetry traces, sent to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; the extra `traces` has the packages.

A trace follows a request from the gateway over HTTP to the services, and over Celery to the worker and on. Spans hold
methods, routes, status codes and times: no query, no header, no body.
"""

import os
from typing import Any, Final

from fastapi import FastAPI

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_QUIET: Final = "livez,readyz,metrics"
"""Paths that are asked every few seconds and say nothing."""


def traced() -> bool:
    """Did the operator ask for traces?"""
    return bool(os.environ.get(_ENDPOINT))


def trace_app(app: FastAPI, name: str) -> None:
    """Let an HTTP server and the calls that it makes be traced as ``name``. Nothing happens unless ``traced()``."""
    if not traced():
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 - an extra

    _start(name)
    FastAPIInstrumentor.instrument_app(
        app, excluded_urls=_QUIET, exclude_spans=["receive", "send"], server_request_hook=_hide_asked
    )


def trace_queue(name: str) -> None:
    """Let Celery hand traces on: in the gateway, which sends, and in each child of the worker, which runs."""
    if not traced():
        return
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - an extra

    _start(name)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]


def _hide_asked(span: Any, scope: dict[str, Any]) -> None:
    """The instrumentation writes whole URLs down, and who asked."""
    for attribute in ("http.url", "http.target", "url.full", "url.path"):
        span.set_attribute(attribute, scope["path"])
    for attribute in ("url.query", "net.peer.ip", "client.address"):
        span.set_attribute(attribute, "")


def _hide_called(span: Any, request: Any) -> None:
    for attribute in ("http.url", "url.full"):
        span.set_attribute(attribute, f"{request.url.scheme}://{request.url.host}{request.url.path}")


async def _hide_called_by_httpx(span: Any, request: Any) -> None:
    _hide_called(span, request)


def _start(name: str) -> None:
    """The exporter and the tracing of outgoing calls, once in a process."""
    from opentelemetry import trace  # noqa: PLC0415 - an extra
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor  # noqa: PLC0415
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    provider: Any = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    AioHttpClientInstrumentor().instrument(request_hook=_hide_called)
    HTTPXClientInstrumentor().instrument(async_request_hook=_hide_called_by_httpx)
