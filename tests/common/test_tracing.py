"""Traces that go on from one part to the next."""

import json
import os
import subprocess
import sys

SCRIPT = """
import asyncio, json
import httpx
from fastapi import APIRouter
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from services.common.app import create_app
from services.common.client import ServiceClient
from services.common.tracing import trace_queue

async def ready(): return {}
seen = {}
router = APIRouter()

@router.get("/asked/{name}")
async def asked(name: str):
    span = trace.get_current_span().get_span_context()
    seen["trace"] = f"{span.trace_id:032x}"
    return {}

app = create_app(title="one", version="1", routers=[router], ready=ready, max_body_bytes=9)
spans = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))

async def main():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://one") as client:
        parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        await client.get("/asked/Ann?story=secret", headers={"traceparent": parent})
        await client.get("/livez")
    service = ServiceClient("http://localhost:9")
    await service.ready()
    await service.close()
    async with httpx.AsyncClient() as client:
        try:
            await client.get("http://localhost:9/stories?of=secret")
        except httpx.ConnectError:
            pass
asyncio.run(main())

from gateway.jobs.queue import make_celery
from gateway.settings import GatewaySettings
from celery.signals import before_task_publish
trace_queue("one")
celery = make_celery(GatewaySettings(redis_url="memory://"))
headers = {}
before_task_publish.connect(lambda headers, **_: seen.update(headers=dict(headers)), weak=False)
with trace.get_tracer("t").start_as_current_span("outer") as outer:
    celery.send_task("raconteur.run_job", ["1"])
    seen["outer"] = f"{outer.get_span_context().trace_id:032x}"
told = [(span.name, dict(span.attributes)) for span in spans.get_finished_spans()]
print(json.dumps({"told": told, "trace": seen["trace"], "outer": seen["outer"],
                  "sent": seen["headers"].get("traceparent", "")}, default=str))
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: tracing is for all of it, and stays on."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_a_trace_goes_on_over_http_and_celery_and_tells_nothing_private():
    done = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_EXPORT_TIMEOUT="1")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["trace"] == "a" * 32
    assert told["outer"] in told["sent"]
    names = [name for name, _ in told["told"]]
    assert "GET /asked/{name}" in names
    assert not [name for name in names if "livez" in name]
    assert "http://localhost/stories" in done.stdout and "http://localhost/readyz" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert "127.0.0.1" not in done.stdout
