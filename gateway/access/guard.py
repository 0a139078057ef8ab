"""Stands before every route: in comes who has a key or a signed link, and this machine where that is allowed.

It sees the path before a route is chosen and before a body is read: a route that is added later is shut by default.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from gateway.access.allowance import Allowance, Standing
from gateway.access.caller import Caller
from gateway.access.keys import Scope, well_formed
from gateway.access.links import Link
from gateway.access.secret import Secret
from gateway.api.console import FILES as CONSOLE_FILES
from gateway.store.keys import KeyRecord, KeyStore
from gateway.store.tables import LOCAL
from services.common.app import problem_response
from services.common.errors import ProblemError

PUBLIC: Final = frozenset({"/livez", "/readyz", "/docs", "/openapi.json", *CONSOLE_FILES})
"""Exact paths that anybody may read. They tell nothing about an owner."""

_ADMIN: Final = frozenset({"/metrics"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_PURPOSE: Final = "api keys"
_HOW: Final = "send 'Authorization: Bearer KEY'; the operator makes keys with 'raconteur keys create'"


def key_digest(secret: Secret, key: str) -> str:
    """What the database holds of a key."""
    return secret.mac(_KEY_PURPOSE, key)


class Guard:
    """Plain ASGI. ``keys_required`` is false only where nobody but this machine can reach the gateway."""

    def __init__(
        self, app: ASGIApp, keys: KeyStore, secret: Secret, allowance: Allowance, *, keys_required: bool
    ) -> None:
        self._app, self._keys, self._secret, self._keys_required = app, keys, secret, keys_required
        self._allowance = allowance

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] == "lifespan" or connection["path"] in PUBLIC:
            await self._app(connection, receive, send)
            return
        if connection["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        standing: Standing | None = None
        try:
            caller = await self._caller(connection)
            if caller.key_id != LOCAL:
                standing = self._allowance.take(caller.key_id)
                _check(standing)
            reading = connection["method"] in _READING
            caller.need(Scope.ADMIN if connection["path"] in _ADMIN else Scope.READ if reading else Scope.WRITE)
        except ProblemError as error:
            request_id = connection.get("state", {}).get("request_id")
            refusal = problem_response(error, request_id)
            refusal.headers.update({} if standing is None else standing.headers())
            await refusal(connection, receive, send)
            return
        connection.setdefault("state", {})["caller"] = caller

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and standing is not None:
                MutableHeaders(scope=message).update(standing.headers())
            await send(message)

        await self._app(connection, receive, counted)

    async def _caller(self, connection: Connection) -> Caller:
        """Raises ``unauthorized``, ``forbidden``, ``service_unavailable``."""
        headers = Headers(scope=connection)
        key = _key(headers)
        query = connection["query_string"].decode("latin-1")
        try:
            if key is not None:
                return await run_in_threadpool(self._by_key, key)
            if "signature=" in query:
                return await run_in_threadpool(self._by_link, connection["path"], query)
        except SQLAlchemyError as error:
            raise ProblemError(
                "service_unavailable", f"the database cannot be reached: {type(error).__name__}"
            ) from None
        if self._keys_required:
            raise ProblemError("unauthorized", f"a key is needed: {_HOW}")
        _check_local(connection, headers)
        return Caller(LOCAL, LOCAL, frozenset(Scope))

    def _by_key(self, key: str) -> Caller:
        found = None
        if well_formed(key):
            digest = key_digest(self._secret, key)
            found = self._keys.by_digest(digest)
            # The look-up by an index may take a time that depends on the digest; who has not the secret learns nothing.
            if found is not None and not self._secret.agrees(_KEY_PURPOSE, key, found.digest):
                found = None
        if found is None:
            raise ProblemError("unauthorized", f"this key is not known: {_HOW}")
        if not found.valid:
            raise ProblemError("unauthorized", f"the key {found.hint}... was revoked or has expired: {_HOW}")
        self._keys.used(found)
        return _caller(found)

    def _by_link(self, path: str, query: str) -> Caller:
        link = Link.read(path, query, self._secret)
        if link is None:
            raise ProblemError("unauthorized", "the link is not valid for this path, or has expired", param="signature")
        if link.key_id == LOCAL and not self._keys_required:
            return Caller(LOCAL, LOCAL, frozenset({Scope.READ}), query)
        key = self._keys.by_id(link.key_id)
        if key is None or not key.valid:
            raise ProblemError("unauthorized", "the key that made this link was revoked or has expired", param="key")
        return Caller(key.owner, key.id, frozenset({Scope.READ}), query)


def _check(standing: Standing) -> None:
    """Raises ``rate_limited``."""
    if standing.exceeded:
        told = f"this key's {standing.quota} requests of this minute are spent"
        raise ProblemError("rate_limited", told, retry_after_s=standing.reset_s)


def _caller(key: KeyRecord) -> Caller:
    return Caller(key.owner, key.id, frozenset(Scope(scope) for scope in key.scopes))


def _key(headers: Headers) -> str | None:
    kind, _, told = headers.get("authorization", "").partition(" ")
    return told.strip() if kind.lower() == "bearer" else headers.get("x-api-key")


def _check_local(connection: Connection, headers: Headers) -> None:
    """Both ends of the connection are this machine, and no web page in a browser here is behind it: neither by a name
    that it lets resolve to the loopback (DNS rebinding) nor by a form that it posts here."""
    for end in ("server", "client"):
        address = (connection.get(end) or ("",))[0]
        if not _is_loopback(f"[{address}]" if ":" in address else address):
            raise ProblemError("unauthorized", f"a key is needed from {address or 'an unknown address'}: {_HOW}")
    origin = headers.get("origin")
    for name, host in (("Host", headers.get("host", "")), ("Origin", origin and urlsplit(origin).netloc)):
        if host is not None and not _is_loopback(host):
            told = headers.get(name.lower(), "")
            raise ProblemError("forbidden", f"{name} {told!r} is not this machine; without keys only it may call")


def _is_loopback(netloc: str) -> bool:
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
