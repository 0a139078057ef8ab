"""The audit log's chain."""

import json
import threading

import pytest
import sqlalchemy as sa

from gateway.jobs.records import NewJob, new_id
from tests.gateway.store.conftest import Store


def submit(store: Store, **audit: str) -> str:
    job_id = new_id()
    store.mine.submit(NewJob(id=job_id, kind="video", input={}, fingerprint="f", audit=audit))
    return job_id


def change(store: Store, statement: str) -> None:
    """As somebody who owns the database, past the triggers."""
    engine = sa.create_engine(store.url)
    with engine.begin() as sql:
        if engine.dialect.name == "sqlite":
            sql.execute(sa.text("DROP TRIGGER IF EXISTS audit_no_update"))
            sql.execute(sa.text("DROP TRIGGER IF EXISTS audit_no_delete"))
        else:
            sql.execute(sa.text("DROP TRIGGER IF EXISTS audit_append_only ON audit"))
        sql.execute(sa.text(statement))
    engine.dispose()


def test_every_job_is_an_entry_and_the_chain_holds(store: Store):
    jobs = [submit(store, subject=f"person {n}") for n in range(5)]

    verdict = store.database.audit.verify()
    (entry,) = store.database.audit.entries(jobs[2])

    assert (verdict.entries, verdict.broken_at) == (5, None)
    assert (entry.seq, json.loads(entry.details)["subject"]) == (3, "person 2")


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET details = replace(details, 'person 2', 'person 9')", 3),
        ("UPDATE audit SET at = '2020-01-01T00:00:00' WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 5", 5),
        ("UPDATE audit_head SET hash = 'x'", 5),
    ],
)
def test_a_change_is_found_where_it_is(store: Store, statement: str, broken_at: int):
    for n in range(5):
        submit(store, subject=f"person {n}")

    change(store, statement)

    assert store.database.audit.verify().broken_at == broken_at


@pytest.mark.parametrize("statement", ["UPDATE audit SET event = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_an_entry(store: Store, statement: str):
    submit(store)
    engine = sa.create_engine(store.url)

    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as sql:
        sql.execute(sa.text(statement))
    engine.dispose()


def test_entries_written_at_once_follow_each_other(store: Store):
    threads = [threading.Thread(target=lambda: [submit(store) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    verdict = store.database.audit.verify()
    assert (verdict.entries, verdict.broken_at) == (30, None)


def test_a_job_that_is_not_stored_leaves_no_entry(store: Store):
    first = submit(store)
    with pytest.raises(sa.exc.IntegrityError):
        store.mine.submit(NewJob(id=first, kind="video", input={}, fingerprint="f"))

    assert store.database.audit.verify().entries == 1
