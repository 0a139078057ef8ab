"""The stores on SQLite, and on PostgreSQL where RACONTEUR_TEST_POSTGRES holds the URL of an empty database."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.store.database import Database
from gateway.store.owners import OwnerStore
from gateway.store.tables import META
from gateway.store.work import JobStore

POSTGRES = os.environ.get("RACONTEUR_TEST_POSTGRES")


@dataclass(frozen=True)
class Store:
    """``mine`` is what an owner sees, ``work`` what workers and the reconciler see, ``url`` where it is."""

    url: str
    database: Database

    @property
    def mine(self) -> OwnerStore:
        return self.database.of("ann")

    @property
    def work(self) -> JobStore:
        return self.database.jobs


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="RACONTEUR_TEST_POSTGRES names no database")
        ),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = POSTGRES if request.param == "postgresql" else f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    if request.param == "postgresql":
        empty(url)
    database = Database(url)
    database.create_schema()
    database.create_schema()  # a second gateway finds it there
    yield Store(url, database)
    database.close()


def empty(url: str) -> None:
    engine = sa.create_engine(url)
    META.drop_all(engine)
    engine.dispose()
