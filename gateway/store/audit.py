"""The audit log: what was made of whose face on what consent, in a chain that cannot be changed unnoticed.

Each entry holds the hash of the one before it, so that who changes, removes or inserts one must change all that follow;
triggers keep the database from doing so by accident. Entries outlive jobs and files, and hold nothing of their content.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from gateway.store.tables import AUDIT, AUDIT_HEAD

_BATCH: Final = 10_000
_NO_ENTRY: Final = "0" * 64


@dataclass(frozen=True)
class Entry:
    """``details`` is JSON as it was hashed; ``at`` is UTC in ISO 8601."""

    seq: int
    at: str
    event: str
    job_id: str
    details: str
    hash: str

    def follows(self, previous_hash: str) -> bool:
        return self.hash == _hash(previous_hash, str(self.seq), self.at, self.event, self.job_id, self.details)


@dataclass(frozen=True)
class Verdict:
    """``broken_at`` is the first entry that is not what was written; None where the chain holds."""

    entries: int
    head: str
    broken_at: int | None


def append(sql: sa.Connection, event: str, job_id: str, details: dict[str, Any]) -> None:
    """Add an entry within the caller's transaction: what happened and that it is told stand or fall together."""
    # The counter's row is locked first, so that entries of several processes follow each other.
    sql.execute(sa.update(AUDIT_HEAD).values(entries=AUDIT_HEAD.c.entries + 1))
    seq, previous = sql.execute(sa.select(AUDIT_HEAD.c.entries, AUDIT_HEAD.c.hash)).one()
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    told = json.dumps(details, sort_keys=True, separators=(",", ":"))
    entry = Entry(seq, at, event, job_id, told, _hash(previous, str(seq), at, event, job_id, told))
    sql.execute(sa.insert(AUDIT).values(**vars(entry)))
    sql.execute(sa.update(AUDIT_HEAD).values(hash=entry.hash))


def accepted_as(sql: sa.Connection, job_id: str) -> dict[str, Any]:
    """What was said when a job was accepted: who asked, the consent, the hashes of what it is made of."""
    query = sa.select(AUDIT.c.details).where(AUDIT.c.job_id == job_id, AUDIT.c.event == "accepted")
    details: dict[str, Any] = json.loads(sql.execute(query).scalar_one())
    return details


def start(sql: sa.Connection) -> None:
    """Make the head of an empty chain."""
    if sql.execute(sa.select(AUDIT_HEAD.c.entries)).one_or_none() is None:
        sql.execute(sa.insert(AUDIT_HEAD).values(id=1, entries=0, hash=_NO_ENTRY))


class AuditStore:
    """Reads the log, and checks its chain."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def entries(self, job_id: str) -> list[Entry]:
        """All about one job, oldest first."""
        with self._engine.connect() as sql:
            rows = sql.execute(sa.select(AUDIT).where(AUDIT.c.job_id == job_id).order_by(AUDIT.c.seq))
            return [Entry(**row._mapping) for row in rows]

    def jobs(self) -> Iterator[list[str]]:
        """Ids of all jobs that were ever accepted, erased ones, too, in batches; newest first."""
        before = sys.maxsize
        query = sa.select(AUDIT.c.seq, AUDIT.c.job_id).where(AUDIT.c.event == "accepted").order_by(AUDIT.c.seq.desc())
        while True:
            with self._engine.connect() as sql:
                rows = sql.execute(query.where(AUDIT.c.seq < before).limit(_BATCH)).all()
            if not rows:
                return
            yield [job_id for _, job_id in rows]
            before = rows[-1].seq

    def results(self, job_id: str) -> list[str]:
        """SHA-256 of what the job made."""
        return [json.loads(entry.details)["result"] for entry in self.entries(job_id) if entry.event == "succeeded"]

    def verify(self) -> Verdict:
        """Read the whole chain."""
        with self._engine.connect() as sql:
            entries, head = sql.execute(sa.select(AUDIT_HEAD.c.entries, AUDIT_HEAD.c.hash)).one()
            previous, seq = _NO_ENTRY, 0
            while seq < entries:
                batch = sa.select(AUDIT).where(AUDIT.c.seq > seq, AUDIT.c.seq <= entries)
                rows = sql.execute(batch.order_by(AUDIT.c.seq).limit(_BATCH)).all()
                for entry in (Entry(**row._mapping) for row in rows):
                    if entry.seq != seq + 1 or not entry.follows(previous):
                        return Verdict(entries, head, seq + 1)
                    previous, seq = entry.hash, entry.seq
                if not rows:
                    return Verdict(entries, head, seq + 1)
        return Verdict(entries, head, None if previous == head else entries)


def _hash(previous: str, *told: str) -> str:
    return hashlib.sha256("\n".join((*told, previous)).encode()).hexdigest()
