"""Endpoints of owners, and the messages that wait for them or were told to them.

A message is stored in the transaction that ends its job, so that a job that is over has been, or will be, told of once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.jobs.records import new_id
from gateway.store.tables import JOBS, WEBHOOK_MESSAGES, WEBHOOK_TRIES, WEBHOOKS
from gateway.webhooks.event import Event, MessageState, body_of, event_of
from services.common.errors import ProblemError

MOST_ENDPOINTS: Final = 10
"""Of one owner: each job's end is told to all of them."""

KEPT_S: Final = 7 * 86400.0
"""Messages and their tries are erased after this."""


@dataclass(frozen=True)
class Endpoint:
    """``generation`` counts its secrets; ``disabled_at`` is when it answered that it is gone."""

    id: str
    owner: str
    url: str
    events: list[str]
    generation: int
    rotated_at: float | None
    created_at: float
    disabled_at: float | None


@dataclass(frozen=True)
class Message:
    """``tries`` are those since it was last asked for; while it waits, ``next_at`` is when it is tried again."""

    id: str
    webhook_id: str
    job_id: str
    event: str
    body: str
    state: MessageState
    tries: int
    next_at: float
    created_at: float


@dataclass(frozen=True)
class Try:
    """``status`` is the HTTP status; None where there was no answer, and ``reason`` says why."""

    at: float
    status: int | None
    reason: str | None
    took_s: float


def announce(sql: sa.Connection, job_ids: Sequence[str]) -> None:
    """Store the messages about jobs that have just come to their end, within the transaction that ended them."""
    columns = JOBS.c.id, JOBS.c.owner, JOBS.c.kind, JOBS.c.status, JOBS.c.finished_at, JOBS.c.error
    for job in sql.execute(sa.select(*columns).where(JOBS.c.id.in_(job_ids))).all():
        event, now = event_of(job.status), time.time()
        enabled = sa.select(WEBHOOKS).where(WEBHOOKS.c.owner == job.owner, WEBHOOKS.c.disabled_at.is_(None))
        for endpoint in sql.execute(enabled).all():
            if event in endpoint.events:
                message = Message(
                    id=new_id(),
                    webhook_id=endpoint.id,
                    job_id=job.id,
                    event=event,
                    body=body_of(job.id, job.kind, job.status, job.finished_at, job.error),
                    state=MessageState.WAITING,
                    tries=0,
                    next_at=now,
                    created_at=now,
                )
                sql.execute(sa.insert(WEBHOOK_MESSAGES).values(**vars(message)))


class WebhookStore:
    """What one owner may see and change."""

    def __init__(self, engine: sa.Engine, owner: str) -> None:
        self._engine, self._owner = engine, owner

    def add(self, url: str, events: Sequence[Event]) -> Endpoint:
        """Raises ``too_many_webhooks``."""
        endpoint = Endpoint(new_id(), self._owner, url, sorted(set(events)), 1, None, time.time(), None)
        with self._engine.begin() as sql:
            count = sa.select(sa.func.count()).select_from(WEBHOOKS).where(WEBHOOKS.c.owner == self._owner)
            if int(sql.execute(count).scalar_one()) >= MOST_ENDPOINTS:
                raise ProblemError("too_many_webhooks", f"you have {MOST_ENDPOINTS} webhooks already; erase one first")
            sql.execute(sa.insert(WEBHOOKS).values(**vars(endpoint)))
        return endpoint

    def all(self) -> list[Endpoint]:
        """Oldest first."""
        query = sa.select(WEBHOOKS).where(WEBHOOKS.c.owner == self._owner).order_by(WEBHOOKS.c.id)
        with self._engine.connect() as sql:
            return [Endpoint(**row._mapping) for row in sql.execute(query)]

    def one(self, webhook_id: str) -> Endpoint:
        """Raises ``not_found``."""
        with self._engine.connect() as sql:
            return self._one(sql, webhook_id)

    def rotate(self, webhook_id: str) -> Endpoint:
        """The endpoint with a new secret; one that was disabled is tried again. Raises ``not_found``."""
        values = {"generation": WEBHOOKS.c.generation + 1, "rotated_at": time.time(), "disabled_at": None}
        with self._engine.begin() as sql:
            sql.execute(sa.update(WEBHOOKS).where(*self._mine(webhook_id)).values(**values))
            return self._one(sql, webhook_id)

    def delete(self, webhook_id: str) -> None:
        """With all its messages. Raises ``not_found``."""
        with self._engine.begin() as sql:
            self._one(sql, webhook_id)
            _erase(sql, WEBHOOK_MESSAGES.c.webhook_id == webhook_id)
            sql.execute(sa.delete(WEBHOOKS).where(*self._mine(webhook_id)))

    def messages(
        self, webhook_id: str, *, state: MessageState | None, before: str | None, limit: int
    ) -> list[tuple[Message, list[Try]]]:
        """Messages, newest first, each with its tries, oldest first. Raises ``not_found``."""
        query = sa.select(WEBHOOK_MESSAGES).where(WEBHOOK_MESSAGES.c.webhook_id == webhook_id)
        if state is not None:
            query = query.where(WEBHOOK_MESSAGES.c.state == state)
        if before is not None:
            query = query.where(WEBHOOK_MESSAGES.c.id < before)
        with self._engine.connect() as sql:
            self._one(sql, webhook_id)
            page = query.order_by(WEBHOOK_MESSAGES.c.id.desc()).limit(limit)
            return _with_tries(sql, [_message(row) for row in sql.execute(page)])

    def redeliver(self, webhook_id: str, message_id: str) -> tuple[Message, list[Try]]:
        """Tell it again, from the first try on. Raises ``not_found``."""
        which = WEBHOOK_MESSAGES.c.id == message_id, WEBHOOK_MESSAGES.c.webhook_id == webhook_id
        again = (
            sa.update(WEBHOOK_MESSAGES).where(*which).values(state=MessageState.WAITING, tries=0, next_at=time.time())
        )
        with self._engine.begin() as sql:
            self._one(sql, webhook_id)
            if sql.execute(again).rowcount == 0:
                raise ProblemError("not_found", f"message {message_id!r} does not exist", param="id")
            (told,) = _with_tries(sql, [_message(sql.execute(sa.select(WEBHOOK_MESSAGES).where(*which)).one())])
        return told

    def _mine(self, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return WEBHOOKS.c.id == webhook_id, WEBHOOKS.c.owner == self._owner

    def _one(self, sql: sa.Connection, webhook_id: str) -> Endpoint:
        row = sql.execute(sa.select(WEBHOOKS).where(*self._mine(webhook_id))).one_or_none()
        if row is None:
            raise ProblemError("not_found", f"webhook {webhook_id!r} does not exist", param="id")
        return Endpoint(**row._mapping)


class Outbox:
    """Messages of all owners, for who delivers them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def take(self, busy: set[str], *, hold_s: float, limit: int, each: int) -> list[tuple[Message, Endpoint]]:
        """Claim messages that are due, the longest due first, at most ``each`` of one endpoint, none of ``busy`` ones.

        They are due again after ``hold_s``, should their outcome never be told.
        """
        due = WEBHOOK_MESSAGES.c.state == MessageState.WAITING, WEBHOOK_MESSAGES.c.next_at <= time.time()
        endpoint, by_time = WEBHOOK_MESSAGES.c.webhook_id, WEBHOOK_MESSAGES.c.next_at
        place = sa.func.row_number().over(partition_by=endpoint, order_by=by_time).label("place")
        ranked = sa.select(WEBHOOK_MESSAGES.c.id, by_time, place).where(*due, endpoint.not_in(busy)).subquery()
        first = sa.select(ranked.c.id).where(ranked.c.place <= each).order_by(ranked.c.next_at).limit(limit)
        with self._engine.connect() as sql:
            found = list(sql.execute(first).scalars())
        if not found:
            return []
        taken = (
            sa.update(WEBHOOK_MESSAGES)
            .where(WEBHOOK_MESSAGES.c.id.in_(found), *due)
            .values(tries=WEBHOOK_MESSAGES.c.tries + 1, next_at=time.time() + hold_s)
            .returning(WEBHOOK_MESSAGES)
        )
        with self._engine.begin() as sql:
            messages = [_message(row) for row in sql.execute(taken)]
            query = sa.select(WEBHOOKS).where(WEBHOOKS.c.id.in_({message.webhook_id for message in messages}))
            endpoints = {row.id: Endpoint(**row._mapping) for row in sql.execute(query)}
        return [(message, endpoints[message.webhook_id]) for message in messages]

    def settle(self, message: Message, told: Try, *, state: MessageState, next_at: float) -> None:
        """Note a try. Where the message was asked for again in the meantime, its state stays as it is."""
        same = WEBHOOK_MESSAGES.c.id == message.id, WEBHOOK_MESSAGES.c.tries == message.tries
        with self._engine.begin() as sql:
            known = sa.select(WEBHOOK_MESSAGES.c.id).where(WEBHOOK_MESSAGES.c.id == message.id)
            if sql.execute(known).scalar() is None:
                return  # erased while it was told
            sql.execute(sa.insert(WEBHOOK_TRIES).values(id=new_id(), message_id=message.id, **vars(told)))
            sql.execute(sa.update(WEBHOOK_MESSAGES).where(*same).values(state=state, next_at=next_at))

    def disable(self, webhook_id: str) -> None:
        """Nothing more is told to an endpoint; what waits for it is given up."""
        with self._engine.begin() as sql:
            sql.execute(sa.update(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id).values(disabled_at=time.time()))
            waiting = WEBHOOK_MESSAGES.c.webhook_id == webhook_id, WEBHOOK_MESSAGES.c.state == MessageState.WAITING
            sql.execute(sa.update(WEBHOOK_MESSAGES).where(*waiting).values(state=MessageState.GIVEN_UP))

    def erase_old(self) -> None:
        """Forget what is older than ``KEPT_S``."""
        with self._engine.begin() as sql:
            _erase(sql, WEBHOOK_MESSAGES.c.created_at < time.time() - KEPT_S)


def _message(row: sa.Row[Any]) -> Message:
    return Message(**{**row._mapping, "state": MessageState(row.state)})


def _with_tries(sql: sa.Connection, messages: list[Message]) -> list[tuple[Message, list[Try]]]:
    tries: dict[str, list[Try]] = {message.id: [] for message in messages}
    query = sa.select(WEBHOOK_TRIES).where(WEBHOOK_TRIES.c.message_id.in_(tries)).order_by(WEBHOOK_TRIES.c.id)
    for row in sql.execute(query):
        tries[row.message_id].append(Try(row.at, row.status, row.reason, row.took_s))
    return [(message, tries[message.id]) for message in messages]


def _erase(sql: sa.Connection, which: Any) -> None:
    messages = sa.select(WEBHOOK_MESSAGES.c.id).where(which)
    sql.execute(sa.delete(WEBHOOK_TRIES).where(WEBHOOK_TRIES.c.message_id.in_(messages)))
    sql.execute(sa.delete(WEBHOOK_MESSAGES).where(which))
