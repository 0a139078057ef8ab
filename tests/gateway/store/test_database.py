"""A database of an older version."""

import sqlalchemy as sa

from gateway.jobs.records import NewJob, new_id
from gateway.store.tables import LOCAL
from tests.gateway.store.conftest import Store


def test_columns_that_came_later_are_added_and_what_was_there_is_kept(store: Store):
    store.database.of(LOCAL).submit(NewJob(id=new_id(), kind="video", input={}, fingerprint="f"))
    engine = sa.create_engine(store.url)
    with engine.begin() as sql:
        for index in ("jobs_by_owner", "jobs_by_owner_status", "jobs_by_change"):
            sql.execute(sa.text(f"DROP INDEX {index}"))
        sql.execute(sa.text("ALTER TABLE jobs DROP COLUMN owner"))
    engine.dispose()

    store.database.create_schema()

    (job,) = store.database.of(LOCAL).jobs(status=None, kind=None, before=None, limit=9)
    assert job.owner == LOCAL
    assert store.mine.jobs(status=None, kind=None, before=None, limit=9) == []
