"""Delivers messages: at once, and again and again over a day where the other side does not take them.

At least once: a gateway that dies between an answer and its note tells the message again, under the same id.
"""

import asyncio
import random
import time
from collections.abc import Collection
from typing import Final

import httpx
import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from gateway.access.secret import Secret
from gateway.store.webhooks import Endpoint, Message, Outbox, Try
from gateway.webhooks.event import MessageState
from gateway.webhooks.signature import headers
from services.common.addresses import OpenInternet
from services.common.errors import ProblemError

PAUSES_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""Before the second try and so on: eight tries within 28 hours, as the specification recommends."""

_LOOK_S: Final = 0.5
_LIMIT_S: Final = 15.0
"""How long one try may take, whatever the other side does."""
_HOLD_S: Final = 20.0
"""A message is another gateway's after this: the one that took it has died."""
_AT_ONCE: Final = 128
_EACH: Final = 16
"""Messages of one endpoint at once. While they last it gets no more, so that a slow one takes no place from others."""
_JITTER: Final = 0.1
_GONE: Final = 410

TRIES: Final = Counter("raconteur_webhook_tries_total", "Deliveries of webhooks that were tried", ["state"])

log = structlog.get_logger()


class Courier:
    """A task of the gateway. Every claim is a compare-and-set, so that any number of gateways may run one."""

    def __init__(self, outbox: Outbox, secret: Secret, internet: OpenInternet) -> None:
        self._outbox, self._secret = outbox, secret
        self._http = internet.client(httpx.Timeout(_LIMIT_S, connect=5.0))

    async def run(self) -> None:
        """Until canceled. The database may be away for a while."""
        under_way: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                under_way = {task: endpoint for task, endpoint in under_way.items() if not task.done()}
                for message, endpoint in await self._due(under_way.values()):
                    under_way[asyncio.create_task(self._deliver(message, endpoint))] = endpoint.id
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await self._http.aclose()

    async def _due(self, busy: Collection[str]) -> list[tuple[Message, Endpoint]]:
        try:
            return await asyncio.to_thread(
                self._outbox.take, set(busy), hold_s=_HOLD_S, limit=_AT_ONCE - len(busy), each=_EACH
            )
        except SQLAlchemyError as error:
            log.warning("outbox_unreachable", reason=type(error).__name__)
            return []

    async def _deliver(self, message: Message, endpoint: Endpoint) -> None:
        told = await self._try(message, endpoint)
        state, next_at = _verdict(message, told)
        TRIES.labels(state).inc()
        log.info("webhook_tried", message_id=message.id, webhook_id=endpoint.id, status=told.status, state=state)
        try:
            await asyncio.to_thread(self._outbox.settle, message, told, state=state, next_at=next_at)
            if told.status == _GONE:
                await asyncio.to_thread(self._outbox.disable, endpoint.id)
        except SQLAlchemyError as error:  # it is told again, then
            log.warning("outbox_unreachable", reason=type(error).__name__)

    async def _try(self, message: Message, endpoint: Endpoint) -> Try:
        began = time.time()
        signed = headers(self._secret, endpoint, message.id, message.body) | {"content-type": "application/json"}
        request = self._http.build_request("POST", endpoint.url, content=message.body, headers=signed)
        status, reason = None, None
        try:
            async with asyncio.timeout(_LIMIT_S):
                # The status is all that counts: what else it says is not read, be it long or slow.
                answer = await self._http.send(request, stream=True)
                await answer.aclose()
                status = answer.status_code
        except TimeoutError:
            reason = f"no answer within {_LIMIT_S:.0f} s"
        except ProblemError as error:
            reason = error.code
        except httpx.HTTPError as error:
            reason = type(error).__name__
        return Try(began, status, reason, round(time.time() - began, 3))


def _verdict(message: Message, told: Try) -> tuple[MessageState, float]:
    """The message's state after this try, and when it is tried again if it waits."""
    if told.status is not None and 200 <= told.status < 300:
        return MessageState.DELIVERED, told.at
    if message.tries > len(PAUSES_S) or told.status == _GONE:
        return MessageState.GIVEN_UP, told.at
    spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret: keeps retries from coming all at once
    return MessageState.WAITING, time.time() + PAUSES_S[message.tries - 1] * spread
