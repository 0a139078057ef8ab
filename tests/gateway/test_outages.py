"""Database or disk away or full: 503 with a code, nothing left behind, and ready again by itself."""

import errno
import sqlite3

import httpx
import pytest
from fastapi import FastAPI

from gateway.api.outages import answer_outages
from gateway.app import build_app
from tests.gateway.conftest import Stack
from tests.gateway.made_media import wav
from tests.gateway.store.conftest import POSTGRES


def test_a_database_that_cannot_be_written_is_503_until_it_can(stack: Stack):
    before = stack.stored()
    other = sqlite3.connect(stack.settings.data_dir / "raconteur.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        answer = stack.http.post("/v1/files", files={"file": wav(0.1)})
    finally:
        other.execute("ROLLBACK")
        other.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert stack.stored() == before
    assert stack.http.post("/v1/files", files={"file": wav(0.1)}).status_code == 201


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [(errno.ENOSPC, 503, "storage_full"), (errno.EDQUOT, 503, "storage_full"), (errno.EIO, 500, "internal")],
)
async def test_a_full_disk_is_503_and_a_broken_one_is_not(number: int, status: int, code: str):
    app = FastAPI()
    answer_outages(app)

    @app.get("/")
    async def write() -> None:
        raise OSError(number, "no")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("url", [None, pytest.param(POSTGRES, marks=pytest.mark.skipif(not POSTGRES, reason="none"))])
@pytest.mark.parametrize("path", ["/v1/jobs/a%00b", "/v1/jobs?kind=a%00b", "/v1/jobs?cursor=a%00b", "/v1/files/a%00b"])
async def test_what_a_database_cannot_hold_is_no_mistake_of_the_server(stack: Stack, url: str | None, path: str):
    """PostgreSQL holds no text with a NUL in it."""
    app = build_app(stack.settings.model_copy(update={"database_url": url}))
    app.state.parts.database.create_schema()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    app.state.parts.database.close()

    assert answer.status_code in (200, 404, 422)
