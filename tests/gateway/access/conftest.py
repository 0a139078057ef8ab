"""A second gateway beside the running stack, on the same database: this one asks for keys."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from gateway.access.guard import key_digest
from gateway.access.keys import Scope, hint, new_key
from gateway.access.secret import Secret
from gateway.app import build_app
from gateway.processes import free_ports
from gateway.store.keys import KeyRecord
from tests.gateway.conftest import Stack
from tests.gateway.fakes import serve


@dataclass(frozen=True)
class Guarded:
    app: FastAPI
    url: str
    stack: Stack

    def key(self, owner: str, *scopes: Scope, expires_at: float | None = None) -> tuple[str, KeyRecord]:
        key = new_key()
        digest = key_digest(Secret(self.stack.settings), key)
        scopes = scopes or (Scope.READ, Scope.WRITE)
        return key, self.stack.database.keys.add(owner, hint(key), digest, list(scopes), expires_at)


@pytest.fixture(scope="session")
def guarded_session(stack_session: Stack) -> Iterator[Guarded]:
    (port,) = free_ports(1)
    app = build_app(stack_session.settings.model_copy(update={"keys_required": True}))
    with serve(app, port):
        yield Guarded(app, f"http://127.0.0.1:{port}", stack_session)


@pytest.fixture
def guarded(guarded_session: Guarded, stack: Stack) -> Guarded:
    return guarded_session


@pytest.fixture
def caller(guarded: Guarded) -> Iterator[Callable[..., httpx.Client]]:
    """``caller(owner, *scopes)``: a client with a new key of this owner; without an owner, one without a key."""
    clients: list[httpx.Client] = []

    def make(owner: str | None = None, *scopes: Scope) -> httpx.Client:
        headers = {"Authorization": f"Bearer {guarded.key(owner, *scopes)[0]}"} if owner else {}
        clients.append(httpx.Client(base_url=guarded.url, headers=headers, timeout=30))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
