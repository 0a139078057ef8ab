"""The tables. A column that is added later needs a ``server_default``: it is added to databases that exist."""

from typing import Final

import sqlalchemy as sa

META: Final = sa.MetaData()

LOCAL: Final = "local"
"""Owner of what is made without a key."""

JOBS: Final = sa.Table(
    "jobs",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False, default=""),
    sa.Column("progress", sa.Double, nullable=False, default=0.0),
    sa.Column("steps_done", sa.Integer, nullable=False, default=0),
    sa.Column("steps_total", sa.Integer, nullable=False, default=0),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("fence", sa.Integer, nullable=False, default=0),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("expires_at", sa.Double),
    sa.Column("finish_expected_at", sa.Double),
    sa.Column("lease_until", sa.Double),
    sa.Column("woken_at", sa.Double),
    sa.Column("input", sa.JSON, nullable=False),
    sa.Column("output", sa.JSON(none_as_null=True)),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("idempotency_key", sa.String(255), unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False, server_default=LOCAL),
    sa.Column("changed_at", sa.Double, nullable=False, server_default="0"),
    sa.Column("retention_s", sa.Double),
    sa.Index("jobs_by_status", "status", "id"),
    sa.Index("jobs_by_owner", "owner", "id"),
    sa.Index("jobs_by_owner_status", "owner", "status"),
    sa.Index("jobs_by_change", "owner", "changed_at"),
)

FILES: Final = sa.Table(
    "files",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("media_type", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), index=True),
    sa.Column("owner", sa.String(64), nullable=False, server_default=LOCAL),
)

USES: Final = sa.Table(
    "job_files",
    META,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("file_id", sa.String(32), primary_key=True, index=True),
)

TALLIES: Final = sa.Table(
    "job_tallies",
    META,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("status", sa.String(16), primary_key=True),
    sa.Column("jobs", sa.BigInteger, nullable=False),
    sa.Column("waited_s", sa.Double, nullable=False),
    sa.Column("ran_s", sa.Double, nullable=False),
)

KEYS: Final = sa.Table(
    "api_keys",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("hint", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
    sa.Column("last_used_at", sa.Double),
)

AUDIT: Final = sa.Table(
    "audit",
    META,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("job_id", sa.String(32), nullable=False, index=True),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

AUDIT_HEAD: Final = sa.Table(
    "audit_head",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

APPEND_ONLY: Final = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb.lower()} BEFORE {verb} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
    ],
}
"""Keeps a mistaken statement from the log. Who owns the database can drop it; the chain then tells."""

PROMPTS: Final = sa.Table(
    "prompts",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("taxonomy", sa.String(60), nullable=False),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("hash", sa.String(12), nullable=False),
    sa.Column("segments", sa.JSON, nullable=False),
    sa.Column("calibration", sa.JSON(none_as_null=True)),
    sa.Column("parent", sa.String(80)),
    sa.Column("model", sa.String(120)),
    sa.Column("figures", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
)

ACTIVATIONS: Final = sa.Table(
    "prompt_activations",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("taxonomy", sa.String(60), nullable=False),
    sa.Column("prompt_id", sa.String(32), sa.ForeignKey("prompts.id"), nullable=False),
    sa.Index("activations_by_owner", "owner", "taxonomy", "id"),
)

WEBHOOKS: Final = sa.Table(
    "webhooks",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("rotated_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("disabled_at", sa.Double),
)

WEBHOOK_MESSAGES: Final = sa.Table(
    "webhook_messages",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("webhook_id", sa.String(32), sa.ForeignKey("webhooks.id"), nullable=False),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Double, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
    sa.UniqueConstraint("webhook_id", "job_id"),
    sa.Index("messages_by_time", "state", "next_at"),
)
"""No foreign key to its job, which may be erased before its end could be told."""

WEBHOOK_TRIES: Final = sa.Table(
    "webhook_tries",
    META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("message_id", sa.String(32), sa.ForeignKey("webhook_messages.id"), nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("reason", sa.String(64)),
    sa.Column("took_s", sa.Double, nullable=False),
)
