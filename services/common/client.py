"""How one part of Raconteur calls another over HTTP: one error path, problem+json in, ``ProblemError`` out."""

import io
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO, Final

import aiohttp
from aiohttp.payload import BytesPayload
from pydantic import BaseModel

from services.common.app import REQUEST_ID_HEADER
from services.common.errors import ProblemError
from services.common.sockets import SOCKET_OPTIONS

TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=600.0)
"""A segment on a slow CPU takes tens of seconds; a connection on the same network does not."""

_READY_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)
_MOST_CONNECTIONS: Final = 100
_KEEP_S: Final = 2.0
"""uvicorn closes a connection that was idle for 5 s: a request sent at that moment would be lost."""
_LONGEST_HEADER: Final = 64 << 10
"""Reports travel in headers, beside the file that they are about."""


@dataclass(frozen=True)
class Answer:
    """Of a service: the body and the headers of a success."""

    content: bytes
    headers: Mapping[str, str]


class ServiceClient:
    """A service at ``url`` (its root, for example http://127.0.0.1:8001). Every call raises ``ProblemError``.

    All calls and ``close`` are made in one event loop. Cancelling a call closes its connection, and the service stops
    at its next step.
    """

    name: str

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._opened: aiohttp.ClientSession | None = None

    async def ready(self) -> bool:
        """Does ``/readyz`` answer 200?"""
        try:
            async with self._session.get(f"{self._url}/readyz", timeout=_READY_TIMEOUT) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        """Opened by the first call: a session belongs to the loop that runs."""
        if self._opened is None:
            connector = aiohttp.TCPConnector(
                limit=_MOST_CONNECTIONS, keepalive_timeout=_KEEP_S, socket_factory=_watched_socket
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                timeout=TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_field_size=_LONGEST_HEADER,
            )
        return self._opened

    async def _get(self, path: str, request_id: str) -> Answer:
        return await self._request("GET", path, request_id)

    async def _ask(self, path: str, request_id: str, question: BaseModel) -> Answer:
        """POST ``question`` as JSON."""
        body = BytesPayload(question.model_dump_json().encode(), content_type="application/json")
        return await self._request("POST", path, request_id, body)

    async def _post(
        self, path: str, request_id: str, form: Mapping[str, str], files: Mapping[str, bytes | BinaryIO]
    ) -> Answer:
        """POST a form. An open file is sent block by block, never held whole, and closed."""
        data = aiohttp.FormData(form, default_to_multipart=bool(files))
        for name, content in files.items():
            stream = io.BytesIO(content) if isinstance(content, bytes) else content
            data.add_field(name, stream, filename=name, content_type="application/octet-stream")
        return await self._request("POST", path, request_id, data)

    async def _request(
        self, method: str, path: str, request_id: str, data: BytesPayload | aiohttp.FormData | None = None
    ) -> Answer:
        try:
            async with self._session.request(
                method, self._url + path, headers={REQUEST_ID_HEADER: request_id}, data=data, allow_redirects=False
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProblemError(
                "service_unavailable", f"{self.name} cannot be reached: {type(error).__name__}"
            ) from error
        if 200 <= response.status < 300:
            return Answer(content, response.headers)
        raise self._problem(response.status, content)

    def _problem(self, status: int, content: bytes) -> ProblemError:
        try:
            body: Any = json.loads(content)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return ProblemError.from_json(body)
        return ProblemError("service_unavailable", f"{self.name} answered {status} without a problem")


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """One that notices when the other side is gone."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    for level, option, value in SOCKET_OPTIONS:
        made.setsockopt(level, option, value)
    return made
