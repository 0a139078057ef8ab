"""The database and the stores in it."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from gateway.store import audit
from gateway.store.keys import KeyStore
from gateway.store.limits import QueueLimits
from gateway.store.owners import OwnerStore
from gateway.store.prompts import PromptStore
from gateway.store.tables import APPEND_ONLY, META
from gateway.store.tallies import TallyStore
from gateway.store.webhooks import Outbox, WebhookStore
from gateway.store.work import JobStore
from services.common.sockets import POSTGRES_OPTIONS

OUTAGES: Final = (sa.exc.OperationalError, sa.exc.InterfaceError)
"""What is raised while the database is away or full."""

_LIMITS: Final = QueueLimits()
_PRAGMAS: Final = ("journal_mode=WAL", "busy_timeout=5000", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")
"""What is erased is overwritten; the log of writes forgets it at the next checkpoint (``JobStore.forget``)."""


class Database:
    """The database at ``url`` (an SQLAlchemy URL); ``limits`` hold for every job that is submitted."""

    def __init__(self, url: str, limits: QueueLimits = _LIMITS) -> None:
        self._limits = limits
        here = url.startswith("sqlite")
        self._engine = sa.create_engine(url, pool_pre_ping=not here, connect_args={} if here else POSTGRES_OPTIONS)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        self.jobs = JobStore(self._engine)
        self.keys = KeyStore(self._engine)
        self.audit = audit.AuditStore(self._engine)
        self.outbox = Outbox(self._engine)
        self.tallies = TallyStore(self._engine)

    def of(self, owner: str) -> OwnerStore:
        """What ``owner`` may see and change."""
        return OwnerStore(self._engine, owner, self._limits)

    def prompts_of(self, owner: str) -> PromptStore:
        """The prompts of ``owner``."""
        return PromptStore(self._engine, owner)

    def webhooks_of(self, owner: str) -> WebhookStore:
        """The webhooks of ``owner``."""
        return WebhookStore(self._engine, owner)

    def create_schema(self) -> None:
        """Make the tables, and the columns that an older version's tables lack."""
        with self._engine.begin() as sql:
            for table in META.sorted_tables:
                sql.execute(CreateTable(table, if_not_exists=True))
                there = {column["name"] for column in sa.inspect(sql).get_columns(table.name)}
                for column in table.columns:
                    if column.name not in there:
                        added = CreateColumn(column).compile(dialect=self._engine.dialect)
                        sql.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {added}"))
                for index in table.indexes:
                    sql.execute(CreateIndex(index, if_not_exists=True))
            for statement in APPEND_ONLY[self._engine.dialect.name]:
                sql.execute(sa.text(statement))
            audit.start(sql)

    def ping(self) -> None:
        """Raises ``sqlalchemy.exc.SQLAlchemyError`` where the database cannot be reached."""
        with self._engine.connect() as sql:
            sql.execute(sa.select(1))

    def close(self) -> None:
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
