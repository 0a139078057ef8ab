"""Builds the gateway: ``uvicorn --factory gateway.app:build_app``."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from gateway.api import files, jobs, relations, stories, streams, videos, welcome
from gateway.api.parts import Parts
from gateway.jobs.queue import Bell, make_celery
from gateway.jobs.reconcile import Reconciler
from gateway.jobs.store import JobStore
from gateway.settings import GatewaySettings, gateway_settings
from gateway.storage import Storage
from services.common.app import create_app
from services.common.client import ServiceClient
from services.perception.client import PerceptionClient
from services.reasoning.client import ReasoningClient
from services.talkinghead.client import TalkingHeadClient

_ROUTERS: list[APIRouter] = [part.router for part in (welcome, files, stories, relations, videos, jobs, streams)]


def build_app(settings: GatewaySettings | None = None) -> FastAPI:
    """The gateway as an ASGI app; database, broker and services are reached when it starts."""
    settings = settings or gateway_settings()
    parts = Parts(
        settings=settings,
        store=JobStore(settings.sql_url),
        storage=Storage(settings.data_dir),
        bell=Bell(make_celery(settings), settings.redis_url),
        perception=PerceptionClient(settings.perception_url),
        reasoning=ReasoningClient(settings.reasoning_url),
        talkinghead=TalkingHeadClient(settings.talkinghead_url),
    )
    services: list[ServiceClient] = [parts.perception, parts.reasoning, parts.talkinghead]

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        parts.store.create_schema()
        reconciler = asyncio.create_task(Reconciler(settings, parts.store, parts.storage, parts.bell).run())
        yield
        reconciler.cancel()
        await asyncio.wait({reconciler})
        for service in services:
            await service.close()
        parts.bell.close()
        parts.store.close()

    async def ready() -> dict[str, str]:
        states = await asyncio.gather(*(service.ready() for service in services))
        return {
            service.name: "ready" if good else "not ready" for service, good in zip(services, states, strict=True)
        } | {
            "database": await _reached(parts.store.ping),
            "broker": await _reached(parts.bell.ping),
        }

    app = create_app(
        title="Raconteur",
        version=version("raconteur"),
        routers=_ROUTERS,
        ready=ready,
        max_body_bytes=settings.max_upload_bytes,
        lifespan=lifespan,
    )
    app.state.parts = parts
    return app


async def _reached(ping: Callable[[], None]) -> str:
    try:
        await run_in_threadpool(ping)
    except (SQLAlchemyError, RedisError) as error:
        return type(error).__name__
    return "ready"
