"""Messages about jobs: one for each end, whoever ends it, and none for what did not happen."""

import time

import pytest
import sqlalchemy as sa

from gateway.jobs.records import FileRecord, NewJob, new_id
from gateway.store.tables import WEBHOOK_MESSAGES
from gateway.store.webhooks import KEPT_S, MOST_ENDPOINTS, Endpoint, Try
from gateway.webhooks.event import Event, MessageState
from services.common.errors import ProblemError
from tests.gateway.store.conftest import Store

ERROR = {"code": "no_face", "message": "portrait: a picture of somebody", "param": "portrait", "retryable": False}
TRY = Try(time.time(), 204, None, 0.1)


def submitted(store: Store, owner: str = "ann") -> str:
    job_id = new_id()
    store.database.of(owner).submit(NewJob(id=job_id, kind="video", input={}, fingerprint="f"))
    return job_id


def claimed(store: Store, lease_s: float = 60) -> tuple[str, int]:
    job = store.work.claim(submitted(store), lease_s=lease_s, max_attempts=1)
    assert job is not None
    return job.id, job.fence


def hooked(store: Store, *events: Event, owner: str = "ann") -> Endpoint:
    return store.database.webhooks_of(owner).add("https://app.example/", list(events or Event))


def told(store: Store, endpoint: Endpoint) -> list[tuple[str, str]]:
    """(job, event) of all its messages, oldest first."""
    hooks = store.database.webhooks_of(endpoint.owner)
    found = hooks.messages(endpoint.id, state=None, before=None, limit=99)
    return [(message.job_id, message.event) for message, _ in reversed(found)]


def test_every_way_in_which_a_job_ends_is_told(store: Store):
    endpoint = hooked(store)
    made, broke, stopped, waited, lost = (
        claimed(store),
        claimed(store),
        claimed(store),
        submitted(store),
        claimed(store, -1),
    )
    file = FileRecord(new_id(), "a", "video/mp4", 1, "0" * 64, time.time(), job_id=made[0])
    store.work.publish(*made, output={"file_id": file.id}, warnings=[], file=file, retention_s=60)
    store.work.fail(*broke, ERROR, 60)
    store.work.confirm_cancel(*stopped, 60)
    store.mine.cancel(waited, 60)
    store.work.settle_lost(max_attempts=1, error=ERROR, retention_s=60)

    assert told(store, endpoint) == [
        (made[0], "job.succeeded"),
        (broke[0], "job.failed"),
        (stopped[0], "job.canceled"),
        (waited, "job.canceled"),
        (lost[0], "job.failed"),
    ]


def test_an_end_that_was_not_this_attempts_to_tell_is_not_told(store: Store):
    endpoint = hooked(store)
    job_id, fence = claimed(store)
    assert not store.work.fail(job_id, fence - 1, ERROR, 60)
    assert store.work.fail(job_id, fence, ERROR, 60)
    assert not store.work.fail(job_id, fence, ERROR, 60)
    store.mine.cancel(job_id, 60)

    assert told(store, endpoint) == [(job_id, "job.failed")]


def test_an_endpoint_hears_of_its_owners_jobs_and_of_the_events_it_asked_for(store: Store):
    failures, others = hooked(store, Event.FAILED), hooked(store, owner="bob")
    store.mine.cancel(submitted(store), 60)
    job_id, fence = claimed(store)
    store.work.fail(job_id, fence, ERROR, 60)

    assert told(store, failures) == [(job_id, "job.failed")]
    assert told(store, others) == []


def test_a_message_quotes_nothing_of_the_caller(store: Store):
    endpoint = hooked(store)
    store.work.fail(*claimed(store), ERROR, 60)
    ((message, _),) = store.database.webhooks_of("ann").messages(endpoint.id, state=None, before=None, limit=1)

    assert '"code":"no_face"' in message.body
    assert "somebody" not in message.body


def test_a_message_is_taken_once_and_again_only_if_its_outcome_was_never_told(store: Store):
    hooked(store)
    store.mine.cancel(submitted(store), 60)
    outbox = store.database.outbox

    ((message, _),) = outbox.take(set(), hold_s=-1, limit=9, each=9)
    ((again, endpoint),) = outbox.take(set(), hold_s=60, limit=9, each=9)
    assert (message.tries, again.tries, again.id) == (1, 2, message.id)
    assert outbox.take(set(), hold_s=60, limit=9, each=9) == []
    outbox.settle(message, TRY, state=MessageState.GIVEN_UP, next_at=0)  # of the try that was taken for dead
    outbox.settle(again, TRY, state=MessageState.DELIVERED, next_at=0)

    ((settled, tries),) = store.database.webhooks_of("ann").messages(endpoint.id, state=None, before=None, limit=9)
    assert (settled.state, len(tries)) == (MessageState.DELIVERED, 2)


def test_no_endpoint_takes_all_places_and_a_busy_one_gets_none(store: Store):
    crowded, calm = hooked(store), hooked(store, Event.CANCELED)
    for _ in range(3):
        store.work.fail(*claimed(store), ERROR, 60)
    store.mine.cancel(submitted(store), 60)
    outbox = store.database.outbox

    first = [endpoint.id for _, endpoint in outbox.take(set(), hold_s=60, limit=9, each=2)]
    assert sorted(first) == sorted([crowded.id, crowded.id, calm.id])
    assert outbox.take({crowded.id}, hold_s=60, limit=9, each=2) == []
    assert len(outbox.take(set(), hold_s=60, limit=1, each=2)) == 1


def test_an_owner_has_so_many_endpoints_and_no_more(store: Store):
    for _ in range(MOST_ENDPOINTS):
        hooked(store)
    with pytest.raises(ProblemError, match="10 webhooks") as refused:
        hooked(store)

    assert refused.value.code == "too_many_webhooks"
    hooked(store, owner="bob")


def test_an_erased_endpoint_takes_its_messages_along_and_old_ones_go_by_themselves(store: Store):
    endpoint, other = hooked(store), hooked(store)
    store.mine.cancel(submitted(store), 60)
    ((message, _), _) = store.database.outbox.take(set(), hold_s=60, limit=9, each=9)
    store.database.outbox.settle(message, TRY, state=MessageState.DELIVERED, next_at=0)
    store.database.webhooks_of("ann").delete(endpoint.id)
    assert len(told(store, other)) == 1
    engine = sa.create_engine(store.url)
    with engine.begin() as sql:
        sql.execute(sa.update(WEBHOOK_MESSAGES).values(created_at=time.time() - KEPT_S - 1))
    engine.dispose()

    store.database.outbox.erase_old()

    assert told(store, other) == []
    store.database.outbox.settle(message, TRY, state=MessageState.DELIVERED, next_at=0)  # it was on its way: no error


def test_a_job_that_is_erased_is_still_told_of(store: Store):
    endpoint = hooked(store)
    job_id = submitted(store)
    store.mine.cancel(job_id, 60)
    store.mine.delete_job(job_id)

    assert told(store, endpoint) == [(job_id, "job.canceled")]
