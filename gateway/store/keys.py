"""API keys: their HMACs, never themselves."""

import time
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gateway.jobs.records import new_id
from gateway.store.tables import KEYS

_USE_NOTED_S: Final = 60.0
"""``last_used_at`` is exact to this, so that not every request writes."""


@dataclass(frozen=True)
class KeyRecord:
    """A key without the key. Times are seconds since 1970 (UTC)."""

    id: str
    owner: str
    hint: str
    digest: str
    scopes: list[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None

    @property
    def valid(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or time.time() < self.expires_at)


class KeyStore:
    """Keys of all owners, by the HMAC of each; the keys themselves are nowhere."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, owner: str, hint: str, digest: str, scopes: list[str], expires_at: float | None) -> KeyRecord:
        """Store a key; times in seconds since 1970."""
        key = KeyRecord(new_id(), owner, hint, digest, scopes, time.time(), expires_at, None, None)
        with self._engine.begin() as sql:
            sql.execute(sa.insert(KEYS).values(**vars(key)))
        return key

    def by_digest(self, digest: str) -> KeyRecord | None:
        return self._one(KEYS.c.digest == digest)

    def by_id(self, key_id: str) -> KeyRecord | None:
        return self._one(KEYS.c.id == key_id)

    def all(self) -> list[KeyRecord]:
        with self._engine.connect() as sql:
            return [_record(row) for row in sql.execute(sa.select(KEYS).order_by(KEYS.c.id))]

    def revoke(self, key_id: str) -> bool:
        """False where there is no such key, or it was revoked before."""
        with self._engine.begin() as sql:
            open_key = KEYS.c.id == key_id, KEYS.c.revoked_at.is_(None)
            return sql.execute(sa.update(KEYS).where(*open_key).values(revoked_at=time.time())).rowcount == 1

    def used(self, key: KeyRecord) -> None:
        """Note that the key was used, about once a minute."""
        now = time.time()
        if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_S:
            with self._engine.begin() as sql:
                sql.execute(sa.update(KEYS).where(KEYS.c.id == key.id).values(last_used_at=now))

    def _one(self, where: sa.ColumnElement[bool]) -> KeyRecord | None:
        with self._engine.connect() as sql:
            row = sql.execute(sa.select(KEYS).where(where)).one_or_none()
        return None if row is None else _record(row)


def _record(row: sa.Row[Any]) -> KeyRecord:
    return KeyRecord(**row._mapping)
