"""How one part of Raconteur calls another over HTTP: one error path, problem+json in, ``ProblemError`` out."""

from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import httpx

from services.common.app import REQUEST_ID_HEADER
from services.common.errors import ProblemError
from services.common.sockets import SOCKET_OPTIONS

TIMEOUT: Final = httpx.Timeout(600.0, connect=5.0)
"""A segment on a slow CPU takes tens of seconds; a connection on the same network does not."""

_READY_TIMEOUT_S: Final = 2.0
_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
"""uvicorn closes a connection that was idle for 5 s, which is httpx's own expiry, too: a request sent at that moment
would be lost."""


class ServiceClient:
    """A service at ``url`` (its root, for example http://127.0.0.1:8001). Every call raises ``ProblemError``.

    Cancelling a call closes its connection, and the service stops at its next step.
    """

    name: str

    def __init__(self, url: str) -> None:
        transport = httpx.AsyncHTTPTransport(limits=_LIMITS, socket_options=SOCKET_OPTIONS)
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, transport=transport)

    async def ready(self) -> bool:
        """Does ``/readyz`` answer 200?"""
        try:
            return (await self._http.get("/readyz", timeout=_READY_TIMEOUT_S)).is_success
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(
        self, path: str, request_id: str, *, files: Mapping[str, bytes | BinaryIO] | None = None, **content: Any
    ) -> httpx.Response:
        """An open file among ``files`` is sent block by block and never held whole."""
        if files:
            content["files"] = {name: (name, data) for name, data in files.items()}
        return await self._request("POST", path, request_id, **content)

    async def _request(self, method: str, path: str, request_id: str, **content: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, headers={REQUEST_ID_HEADER: request_id}, **content)
        except httpx.TransportError as error:
            raise ProblemError(
                "service_unavailable", f"{self.name} cannot be reached: {type(error).__name__}"
            ) from error
        if response.is_success:
            return response
        raise self._problem(response)

    def _problem(self, response: httpx.Response) -> ProblemError:
        try:
            body: Any = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            return ProblemError.from_json(body)
        return ProblemError("service_unavailable", f"{self.name} answered {response.status_code} without a problem")
