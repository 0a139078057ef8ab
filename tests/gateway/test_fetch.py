"""Inputs by URL: off unless the operator wants them, and then from the open internet, small and soon."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from gateway.app import build_app
from gateway.fetch import Fetcher
from gateway.processes import free_ports
from services.common.addresses import OpenInternet
from services.common.errors import ProblemError
from tests.common.test_addresses import PRIVATE, names
from tests.gateway.conftest import Stack
from tests.gateway.fakes import CONSENT, serve
from tests.gateway.made_media import picture, wav

MAX_BYTES = 100_000


@contextmanager
def source() -> Iterator[tuple[str, list[str]]]:
    """A server of files on this machine -> its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status = {"/missing.png": 404, "/moved.png": 302, "/empty": 204}.get(self.path, 200)
            self.send_response(status)
            self.send_header("Location", "/face.png")
            if self.path == "/zipped.png":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            with suppress(ConnectionError):
                self._write()

        def _write(self) -> None:
            if self.path.startswith(("/face.png", "/moved.png")):
                self.wfile.write(picture("a face"))
            elif self.path == "/zipped.png":
                self.wfile.write(b"\x1f\x8b\x08" + bytes(100))
            elif self.path == "/endless.png":
                while True:
                    self.wfile.write(picture("a face") * 100)
            elif self.path == "/slow.png":
                for _ in range(100):
                    self.wfile.write(b"\x89")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


async def fetch(url: str, internet: OpenInternet, *, seconds: float = 5.0) -> bytes:
    async with Fetcher(internet, allowed=True, max_bytes=MAX_BYTES, seconds=seconds).fetched(url) as content:
        return content.read()


async def refused(url: str, internet: OpenInternet, *, seconds: float = 5.0) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        await fetch(url, internet, seconds=seconds)
    assert caught.value.param == "url"
    return caught.value


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
async def test_nothing_is_fetched_from_inside(address: str):
    assert (await refused("https://innocent.example/a.png", OpenInternet(resolve=names(address)))).code == (
        "address_refused"
    )


async def test_a_name_that_turns_inside_after_it_was_checked_is_not_followed():
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    assert (await refused("https://rebinding.example/a.png", OpenInternet(resolve=rebinding))).code == "address_refused"


@pytest.mark.parametrize("url", ["http://8.8.8.8/a.png", "ftp://8.8.8.8/a.png", "file:///etc/passwd", "a.png"])
async def test_only_https_is_fetched(url: str):
    assert (await refused(url, OpenInternet())).code == "address_refused"


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("/missing.png", "url_not_fetched", "404"),
        ("/moved.png", "url_not_fetched", "302"),
        ("/empty", "url_not_fetched", "204"),
        ("/endless.png", "too_large", str(MAX_BYTES)),
        ("/slow.png", "url_not_fetched", "within 2 s"),
    ],
)
async def test_what_does_not_come_whole_small_and_soon_is_refused(path: str, code: str, told: str):
    with source() as (address, asked):
        problem = await refused(address + path, OpenInternet(loopback=True), seconds=2 if "slow" in path else 20)

    assert problem.code == code
    assert told in problem.detail
    assert asked == [path]


async def test_a_server_that_is_not_there_is_told():
    (port,) = free_ports(1)

    problem = await refused(f"http://127.0.0.1:{port}/a.png", OpenInternet(loopback=True))

    assert (problem.code, "ConnectError" in problem.detail) == ("url_not_fetched", True)


async def test_what_comes_is_not_unpacked():
    with source() as (address, _):
        assert (await fetch(f"{address}/zipped.png", OpenInternet(loopback=True))).startswith(b"\x1f\x8b")


def test_it_is_off_unless_it_is_wanted(stack: Stack):
    with source() as (address, asked):
        answer = stack.http.post("/v1/files", data={"url": f"{address}/face.png"})

    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, "invalid_request", "url")
    assert asked == []


def test_a_file_that_is_named_serves_jobs_like_one_that_is_sent(stack: Stack):
    (port,) = free_ports(1)
    app = build_app(stack.settings.model_copy(update={"input_urls": True}))
    with (
        source() as (address, _),
        serve(app, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
    ):
        file = http.post("/v1/files", data={"url": f"{address}/face.png?size=1"}).json()
        answer = http.post("/v1/videos", data=CONSENT | {"portrait_id": file["id"]}, files={"speech": wav(0.2)})
        neither = http.post("/v1/files", data={"expires_in_s": 60})

    assert (file["name"], file["media_type"], file["size_bytes"]) == ("face.png", "image/png", len(picture("a face")))
    assert stack.wait(answer.json()["id"])["status"] == "succeeded"
    assert (neither.status_code, neither.json()["code"]) == (422, "invalid_request")
