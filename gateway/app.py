"""Builds the gateway: ``uvicorn --factory gateway.app:build_app``."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from gateway.access.allowance import Allowance
from gateway.access.guard import Guard
from gateway.access.secret import Secret
from gateway.api import (
    console,
    events,
    files,
    graphs,
    jobs,
    links,
    narrations,
    overlays,
    prompts,
    relations,
    searches,
    stories,
    streams,
    verify,
    videos,
    voices,
    webhooks,
)
from gateway.api.outages import answer_outages
from gateway.api.parts import Parts
from gateway.fetch import Fetcher
from gateway.jobs.queue import Bell, make_celery
from gateway.jobs.reconcile import Reconciler
from gateway.metrics import JobMetrics
from gateway.objects.port import StoreAwayError
from gateway.settings import GatewaySettings, gateway_settings
from gateway.storage import Storage
from gateway.store.database import Database
from gateway.store.limits import QueueLimits
from gateway.webhooks.courier import Courier
from services.common.addresses import OpenInternet
from services.common.app import create_app
from services.common.client import ServiceClient
from services.common.tracing import trace_queue
from services.perception.client import PerceptionClient
from services.reasoning.client import ReasoningClient
from services.talkinghead.client import TalkingHeadClient

_V1: Final = APIRouter(dependencies=[Security(HTTPBearer(auto_error=False, description="a key; see keys"))])
"""The dependency documents the key in OpenAPI; the guard has let the caller in before."""
for part in (
    files,
    stories,
    overlays,
    relations,
    graphs,
    videos,
    narrations,
    voices,
    prompts,
    searches,
    events,
    jobs,
    streams,
    links,
    verify,
    webhooks,
):
    _V1.include_router(part.router)


def build_app(settings: GatewaySettings | None = None) -> FastAPI:
    """The gateway as an ASGI app; database, broker and services are reached when it starts."""
    settings = settings or gateway_settings()
    internet = OpenInternet(loopback=settings.loopback_urls)
    parts = Parts(
        settings=settings,
        database=Database(settings.sql_url, _limits(settings)),
        secret=Secret(settings),
        storage=Storage.of(settings),
        bell=Bell(make_celery(settings), settings.redis_url),
        internet=internet,
        fetcher=Fetcher(
            internet, allowed=settings.input_urls, max_bytes=settings.max_upload_bytes, seconds=settings.fetch_s
        ),
        perception=PerceptionClient(settings.perception_url),
        reasoning=ReasoningClient(settings.reasoning_url),
        talkinghead=TalkingHeadClient(settings.talkinghead_url),
    )
    services: list[ServiceClient] = [parts.perception, parts.reasoning, parts.talkinghead]

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        parts.database.create_schema()
        reconciler = Reconciler(settings, parts.database, parts.storage, parts.bell)
        courier = Courier(parts.database.outbox, parts.secret, parts.internet)
        tasks = {asyncio.create_task(reconciler.run()), asyncio.create_task(courier.run())}
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for service in services:
            await service.close()
        parts.storage.let_go(0)
        parts.bell.close()
        parts.database.close()

    async def ready() -> dict[str, str]:
        states = await asyncio.gather(*(service.ready() for service in services))
        return {
            service.name: "ready" if good else "not ready" for service, good in zip(services, states, strict=True)
        } | {
            "database": await _reached(parts.database.ping),
            "broker": await _reached(parts.bell.ping),
            "files": await _reached(parts.storage.ping),
        }

    app = create_app(
        title="Raconteur",
        version=version("raconteur"),
        routers=[console.router, _V1],
        ready=ready,
        max_body_bytes=settings.max_upload_bytes,
        lifespan=lifespan,
        guards=[_guard(settings, parts)],
        collector=JobMetrics(parts.database.tallies),
    )
    trace_queue("Raconteur")
    app.state.parts = parts
    answer_outages(app)
    return app


def _guard(settings: GatewaySettings, parts: Parts) -> Middleware:
    allowance = Allowance(settings.requests_per_minute)
    return Middleware(Guard, parts.database.keys, parts.secret, allowance, keys_required=settings.keys_required)


def _limits(settings: GatewaySettings) -> QueueLimits:
    return QueueLimits(settings.max_queued_jobs, settings.max_unfinished_jobs, settings.compute_s_a_day)


async def _reached(ping: Callable[[], None]) -> str:
    try:
        await run_in_threadpool(ping)
    except StoreAwayError as error:
        return str(error)
    except (SQLAlchemyError, RedisError, OSError) as error:
        return type(error).__name__
    return "ready"
