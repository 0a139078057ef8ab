"""/v1/webhooks: servers of one's own that are told when a job is over."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from gateway.access.caller import caller_of
from gateway.api.answers import (
    MessageList,
    MessageView,
    NewWebhook,
    TryView,
    WebhookList,
    WebhookSecret,
    WebhookView,
)
from gateway.api.parts import PartsDep
from gateway.api.problems import problems
from gateway.store.webhooks import Endpoint, Message, Try, WebhookStore
from gateway.webhooks.event import Event, MessageState
from gateway.webhooks.signature import secret_of

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


def _my_webhooks(request: Request, parts: PartsDep) -> WebhookStore:
    return parts.database.webhooks_of(caller_of(request).owner)


MyWebhooks = Annotated[WebhookStore, Depends(_my_webhooks)]


@router.post(
    "",
    status_code=201,
    summary="Have a server told of every job's end",
    responses=problems("address_refused", "too_many_webhooks"),
)
async def create(new: NewWebhook, parts: PartsDep, mine: MyWebhooks) -> WebhookSecret:
    """From now on each of your jobs that ends is told to `url` by POST, signed as www.standardwebhooks.com specifies.

    Verify `webhook-signature` with the secret, answer 2xx within 15 seconds, and treat a `webhook-id` that you have
    seen as told already. What is not taken is told again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h.

    `curl -H 'Content-Type: application/json' -d '{"url": "https://app.example/raconteur"}' http://127.0.0.1:8000/v1/webhooks`
    """
    await parts.internet.check(new.url, "url")
    endpoint = await run_in_threadpool(mine.add, new.url, new.events)
    return _with_secret(parts, endpoint)


@router.get("", summary="List webhooks", responses=problems())
async def list_webhooks(mine: MyWebhooks) -> WebhookList:
    """All of yours, oldest first."""
    return WebhookList(webhooks=[WebhookView(**_told(endpoint)) for endpoint in await run_in_threadpool(mine.all)])


@router.get("/{webhook_id}", summary="A webhook", responses=problems("not_found"))
async def get(webhook_id: str, mine: MyWebhooks) -> WebhookView:
    """Where it is and what it hears of; never its secret."""
    return WebhookView(**_told(await run_in_threadpool(mine.one, webhook_id)))


@router.post("/{webhook_id}/rotate", summary="Give a webhook a new secret", responses=problems("not_found"))
async def rotate(webhook_id: str, parts: PartsDep, mine: MyWebhooks) -> WebhookSecret:
    """For 24 hours messages are signed with the old secret, too. One that was disabled is told again."""
    return _with_secret(parts, await run_in_threadpool(mine.rotate, webhook_id))


@router.delete("/{webhook_id}", status_code=204, summary="Erase a webhook", responses=problems("not_found"))
async def erase(webhook_id: str, mine: MyWebhooks) -> None:
    """With all its messages, told or not."""
    await run_in_threadpool(mine.delete, webhook_id)


@router.get("/{webhook_id}/messages", summary="What was told, and how it went", responses=problems("not_found"))
async def messages(
    webhook_id: str,
    mine: MyWebhooks,
    state: MessageState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=32, description="`next_cursor` of the page before")] = None,
) -> MessageList:
    """The messages of the last seven days, newest first, page by page, each with its tries."""
    found = await run_in_threadpool(mine.messages, webhook_id, state=state, before=cursor, limit=limit + 1)
    page = found[:limit]
    return MessageList(
        messages=[_message(message, tries) for message, tries in page],
        next_cursor=page[-1][0].id if len(found) > limit else None,
    )


@router.post(
    "/{webhook_id}/messages/{message_id}/redeliver",
    status_code=202,
    summary="Tell it again",
    responses=problems("not_found"),
)
async def redeliver(webhook_id: str, message_id: str, mine: MyWebhooks) -> MessageView:
    """A message is told again at once, whether it was taken or not, and tried as often as a new one."""
    message, tries = await run_in_threadpool(mine.redeliver, webhook_id, message_id)
    return _message(message, tries)


def _told(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": endpoint.events,
        "created_at": _moment(endpoint.created_at),
        "disabled_at": None if endpoint.disabled_at is None else _moment(endpoint.disabled_at),
    }


def _with_secret(parts: PartsDep, endpoint: Endpoint) -> WebhookSecret:
    return WebhookSecret(**_told(endpoint), secret=secret_of(parts.secret, endpoint))


def _message(message: Message, tries: list[Try]) -> MessageView:
    return MessageView(
        id=message.id,
        event=Event(message.event),
        job_id=message.job_id,
        state=message.state,
        created_at=_moment(message.created_at),
        next_at=_moment(message.next_at) if message.state is MessageState.WAITING else None,
        tries=[
            TryView(at=_moment(told.at), status=told.status, reason=told.reason, took_s=told.took_s) for told in tries
        ],
    )


def _try(told: Try) -> TryView:
    return TryView(at=_moment(told.at), status=told.status, reason=told.reason, took_s=told.took_s)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
