"""How messages get to where they are bound."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.access.secret import Secret
from gateway.jobs.records import NewJob, new_id
from gateway.settings import GatewaySettings
from gateway.store.tables import WEBHOOK_MESSAGES, WEBHOOKS
from gateway.store.webhooks import Endpoint, Message, MessageState, Try, WebhookStore
from gateway.webhooks import courier
from gateway.webhooks.courier import PAUSES_S, Courier
from gateway.webhooks.event import Event
from gateway.webhooks.signature import OVERLAP_S, secret_of
from services.common.addresses import OpenInternet
from tests.gateway.store.conftest import Store
from tests.gateway.webhooks.receiver import Receiver, receiving


@dataclass
class Office:
    """One owner's webhooks, and a courier at work."""

    store: Store
    secret: Secret

    @property
    def hooks(self) -> WebhookStore:
        return self.store.database.webhooks_of("ann")

    def end_job(self) -> str:
        """A job that has just come to its end."""
        job_id = new_id()
        self.store.mine.submit(NewJob(id=job_id, kind="video", input={}, fingerprint="f"))
        self.store.mine.cancel(job_id, 60)
        return job_id

    def only(self, endpoint: Endpoint) -> tuple[Message, list[Try]]:
        (found,) = self.hooks.messages(endpoint.id, state=None, before=None, limit=9)
        return found

    async def until(self, endpoint: Endpoint, tries: int) -> tuple[Message, list[Try]]:
        """The only message as soon as it was tried so often."""
        async with asyncio.timeout(60):
            while len((await asyncio.to_thread(self.only, endpoint))[1]) < tries:
                await asyncio.sleep(0.02)
        return self.only(endpoint)

    def pass_time(self, seconds: float) -> None:
        """As if so much time had passed for what waits."""
        self._sql(sa.update(WEBHOOK_MESSAGES).values(next_at=WEBHOOK_MESSAGES.c.next_at - seconds))

    def set_endpoint(self, **values: object) -> None:
        self._sql(sa.update(WEBHOOKS).values(**values))

    def _sql(self, statement: sa.Executable) -> None:
        engine = sa.create_engine(self.store.url)
        with engine.begin() as sql:
            sql.execute(statement)
        engine.dispose()


@pytest.fixture
async def office(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(courier, "_LOOK_S", 0.02)
    office = Office(store, Secret(GatewaySettings(data_dir=tmp_path)))
    at_work = asyncio.create_task(Courier(store.database.outbox, office.secret, OpenInternet(loopback=True)).run())
    yield office
    at_work.cancel()
    await asyncio.wait({at_work})


async def test_a_jobs_end_is_told_once_and_signed_so_that_any_library_accepts_it(office: Office, receiver: Receiver):
    endpoint = office.hooks.add(receiver.url, list(Event))
    job_id = office.end_job()
    message, (told,) = await office.until(endpoint, tries=1)

    assert (message.state, told.status, told.reason) == (MessageState.DELIVERED, 204, None)
    (seen,) = receiver.told
    event = seen.verified(secret_of(office.secret, endpoint))
    assert event["type"] == "job.canceled"
    assert event["data"] == {
        "id": job_id,
        "kind": "video",
        "status": "canceled",
        "error": None,
        "url": f"/v1/jobs/{job_id}",
    }
    assert seen.id == message.id
    assert seen.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        seen.verified(secret_of(office.secret, office.hooks.add(receiver.url, [])))


async def test_what_is_not_taken_is_told_again_under_the_same_id_ever_later(office: Office, receiver: Receiver):
    receiver.answers += [500, 302, 404]
    endpoint = office.hooks.add(receiver.url, list(Event))
    office.end_job()
    pauses = []
    for tries in range(1, 4):
        message, log = await office.until(endpoint, tries)
        pauses.append(message.next_at - log[-1].at)
        office.pass_time(pauses[-1] + 1)
    message, log = await office.until(endpoint, 4)

    assert [told.status for told in log] == [500, 302, 404, 204]
    assert {told.id for told in receiver.told} == {message.id}
    assert message.state is MessageState.DELIVERED
    assert pauses == [pytest.approx(pause_s, rel=0.11, abs=1) for pause_s in PAUSES_S[:3]]


async def test_after_a_day_a_message_is_given_up_and_can_be_asked_for_again(office: Office, receiver: Receiver):
    receiver.answers += [503] * (len(PAUSES_S) + 1)
    endpoint = office.hooks.add(receiver.url, list(Event))
    office.end_job()
    for tries in range(1, len(PAUSES_S) + 2):
        message, _ = await office.until(endpoint, tries)
        office.pass_time(40_000)

    assert message.state is MessageState.GIVEN_UP
    assert 24 * 3600 < sum(PAUSES_S) < 30 * 3600
    office.hooks.redeliver(endpoint.id, message.id)
    message, log = await office.until(endpoint, len(PAUSES_S) + 2)
    assert (message.state, message.tries, log[-1].status) == (MessageState.DELIVERED, 1, 204)


async def test_an_endpoint_that_is_gone_is_told_nothing_more_until_its_secret_is_renewed(
    office: Office, receiver: Receiver
):
    receiver.answers += [410]
    endpoint = office.hooks.add(receiver.url, list(Event))
    office.end_job()
    message, _ = await office.until(endpoint, 1)
    async with asyncio.timeout(60):
        while office.hooks.one(endpoint.id).disabled_at is None:
            await asyncio.sleep(0.02)
    office.end_job()

    assert message.state is MessageState.GIVEN_UP
    assert office.only(endpoint)[0].id == message.id  # nothing was stored for the second job
    assert office.hooks.rotate(endpoint.id).disabled_at is None


async def test_a_new_secret_signs_at_once_and_the_old_one_for_a_day_still(office: Office, receiver: Receiver):
    first = office.hooks.add(receiver.url, list(Event))
    second = office.hooks.rotate(first.id)
    old, new = (secret_of(office.secret, endpoint) for endpoint in (first, second))
    office.end_job()
    message, _ = await office.until(first, 1)
    office.set_endpoint(rotated_at=time.time() - OVERLAP_S - 1)
    office.hooks.redeliver(first.id, message.id)
    await office.until(first, 2)

    overlap, after = receiver.told
    assert old != new
    assert overlap.verified(old) == overlap.verified(new) == after.verified(new)
    with pytest.raises(WebhookVerificationError):
        after.verified(old)


async def test_an_endpoint_that_became_an_inner_address_is_not_called(store: Store, receiver: Receiver, tmp_path: Path):
    """The rule that the API checks once holds for every try."""
    office = Office(store, Secret(GatewaySettings(data_dir=tmp_path)))
    endpoint = office.hooks.add(receiver.url.replace("http://", "https://"), list(Event))
    office.end_job()
    at_work = asyncio.create_task(Courier(store.database.outbox, office.secret, OpenInternet()).run())
    message, (told,) = await office.until(endpoint, 1)
    at_work.cancel()
    await asyncio.wait({at_work})

    assert (told.status, told.reason, message.state) == (None, "address_refused", MessageState.WAITING)
    assert receiver.told == []


async def test_a_slow_endpoint_keeps_no_other_waiting(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(courier, "_LIMIT_S", 1.0)
    with receiving() as stuck:
        stuck.hold.clear()
        slow, quick = (office.hooks.add(url, list(Event)) for url in (stuck.url, receiver.url))
        office.end_job()
        await office.until(quick, 1)
        assert office.only(slow)[1] == []
        _, (told,) = await office.until(slow, 1)

    assert (told.status, told.reason) == (None, "no answer within 1 s")


async def test_two_couriers_tell_each_message_once(office: Office, receiver: Receiver):
    endpoint = office.hooks.add(receiver.url, list(Event))
    second = asyncio.create_task(
        Courier(office.store.database.outbox, office.secret, OpenInternet(loopback=True)).run()
    )
    jobs = {office.end_job() for _ in range(30)}
    async with asyncio.timeout(60):
        while len(office.hooks.messages(endpoint.id, state=MessageState.DELIVERED, before=None, limit=99)) < len(jobs):
            await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait({second})

    assert len(receiver.told) == len({told.id for told in receiver.told}) == len(jobs)
