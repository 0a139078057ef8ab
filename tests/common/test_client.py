"""Calls from one part to another, against a real server."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Form, Request, Response, UploadFile
from pydantic import BaseModel

from gateway.processes import free_ports
from services.common.app import create_app
from services.common.client import ServiceClient
from services.common.errors import ProblemError
from tests.gateway.fakes import serve

LONG = "x" * 40_000


class Question(BaseModel):
    word: str


class Asker(ServiceClient):
    name = "asked"


def asked() -> FastAPI:
    router = APIRouter()

    @router.post("/echo")
    async def echo(question: Question, request: Request) -> dict[str, str]:
        return {"word": question.word, "request_id": request.state.request_id}

    @router.post("/form")
    async def form(word: Annotated[str, Form()], file: UploadFile | None = None) -> Response:
        content = b"none" if file is None else await file.read()
        return Response(content, headers={"X-Word": word, "X-Long": LONG})

    @router.get("/refused")
    async def refused() -> None:
        raise ProblemError("no_face", "portrait: no face", param="portrait", found=0)

    @router.get("/away")
    async def away() -> Response:
        return Response("elsewhere", status_code=307, headers={"Location": "/echo"})

    @router.get("/slow")
    async def slow(request: Request) -> None:
        request.app.state.caller = "here"
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        request.app.state.caller = "gone"

    @router.get("/caller")
    async def caller(request: Request) -> Response:
        return Response(getattr(request.app.state, "caller", "not yet here"))

    async def ready() -> dict[str, str]:
        return {}

    return create_app(title="asked", version="1", routers=[router], ready=ready, max_body_bytes=1 << 20)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    (port,) = free_ports(1)
    with serve(asked(), port):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
async def client(url: str) -> AsyncIterator[Asker]:
    client = Asker(url)
    yield client
    await client.close()


async def test_a_question_goes_as_json_with_the_requests_id(client: Asker):
    answer = await client._ask("/echo", "request-1", Question(word="né"))
    assert Question.model_validate_json(answer.content) == Question(word="né")
    assert b"request-1" in answer.content


@pytest.mark.parametrize("file", [b"bytes", io.BytesIO(b"bytes")], ids=["bytes", "an open file"])
async def test_a_form_goes_with_its_file_and_long_headers_come_back(client: Asker, file: bytes | io.BytesIO):
    answer = await client._post("/form", "1", {"word": "a"}, {"file": file})
    assert (answer.content, answer.headers["X-Word"], answer.headers["X-Long"]) == (b"bytes", "a", LONG)


async def test_a_form_needs_no_file(client: Asker):
    assert (await client._post("/form", "1", {"word": "a"}, {})).content == b"none"


async def test_a_problem_is_raised_as_it_was_told(client: Asker):
    with pytest.raises(ProblemError, match="portrait: no face") as caught:
        await client._get("/refused", "1")
    assert (caught.value.code, caught.value.param, caught.value.extra["found"]) == ("no_face", "portrait", 0)


async def test_an_answer_that_is_no_problem_is_not_followed_or_believed(client: Asker):
    with pytest.raises(ProblemError, match="asked answered 307 without a problem") as caught:
        await client._get("/away", "1")
    assert caught.value.code == "service_unavailable"


async def test_a_cancelled_call_hangs_up(client: Asker):
    async def wait_until(told: bytes) -> None:
        async with asyncio.timeout(30):
            while (await client._get("/caller", "1")).content != told:
                await asyncio.sleep(0.01)

    call = asyncio.create_task(client._get("/slow", "1"))
    await wait_until(b"here")
    call.cancel()
    await wait_until(b"gone")
