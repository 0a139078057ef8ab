"""What the routes work with; made once per process and reached as ``PartsDep``."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Form, Header, Request

from gateway.access.caller import caller_of
from gateway.access.secret import Secret
from gateway.fetch import Fetcher
from gateway.jobs.queue import Bell
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.store.database import Database
from gateway.store.owners import OwnerStore
from gateway.store.prompts import PromptStore
from services.common.addresses import OpenInternet
from services.perception.client import PerceptionClient
from services.reasoning.client import ReasoningClient
from services.talkinghead.client import TalkingHeadClient


@dataclass(frozen=True)
class Parts:
    """The stores and the clients of one gateway process."""

    settings: GatewaySettings
    database: Database
    secret: Secret
    storage: Storage
    bell: Bell
    internet: OpenInternet
    fetcher: Fetcher
    perception: PerceptionClient
    reasoning: ReasoningClient
    talkinghead: TalkingHeadClient

    @property
    def retention_s(self) -> float:
        return self.settings.retention_hours * 3600


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def _request_id(request: Request) -> str:
    return cast(str, request.state.request_id)


def _mine(request: Request) -> OwnerStore:
    return _parts(request).database.of(caller_of(request).owner)


def _my_prompts(request: Request) -> PromptStore:
    return _parts(request).database.prompts_of(caller_of(request).owner)


PartsDep = Annotated[Parts, Depends(_parts)]
Mine = Annotated[OwnerStore, Depends(_mine)]
"""The caller's jobs and files: all that a route may reach of them."""
MyPrompts = Annotated[PromptStore, Depends(_my_prompts)]
ExpiresInField = Annotated[
    int | None,
    Form(ge=60, le=30 * 86400, description="seconds after which it is erased, for a job from its end on"),
]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="same key and request: the same job, not another one"),
]
RequestId = Annotated[str, Depends(_request_id)]
