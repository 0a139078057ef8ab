"""``raconteur keys``: for the operator, on the machine of the database; the gateway need not run."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from gateway.access.guard import key_digest
from gateway.access.keys import Scope, hint, new_key
from gateway.access.secret import Secret
from gateway.cli import show
from gateway.cli.database import database
from gateway.settings import gateway_settings
from gateway.store.keys import KeyRecord

keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

_DAY_S: Final = 86400.0
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


@keys_app.command("create")
def create(
    owner: Annotated[str, typer.Argument(help="whose key; keys of one owner share jobs and files")],
    scope: Annotated[list[Scope] | None, typer.Option(help="may be given again; read and write if left out")] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="valid for this long; for ever if left out")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once: the database holds only its HMAC."""
    if not 0 < len(owner) <= 64 or not owner.isprintable():
        raise typer.BadParameter(f"{owner!r}: an owner has 1 to 64 printable characters", param_hint="OWNER")
    key = new_key()
    scopes = sorted(set(scope or [Scope.READ, Scope.WRITE]))
    expires_at = None if days is None else time.time() + days * _DAY_S
    with database() as stores:
        digest = key_digest(Secret(gateway_settings()), key)
        record = stores.keys.add(owner, hint(key), digest, list(scopes), expires_at)
    if as_json:
        print(json.dumps(_told(record) | {"key": key}))
    else:
        print(key)
        show.TOLD.print(f"[dim]key {record.id} of {owner} ({', '.join(scopes)}); it is not shown again[/]")


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """All keys, without the keys themselves."""
    with database() as stores:
        found = stores.keys.all()
    if as_json:
        print(json.dumps({"keys": [_told(key) for key in found]}))
        return
    table = Table("id", "key", "owner", "scopes", "state", "created", "expires", "last used", box=None)
    for key in found:
        times = (_moment(moment) or "" for moment in (key.created_at, key.expires_at, key.last_used_at))
        table.add_row(key.id, f"{key.hint}...", key.owner, ", ".join(key.scopes), _state(key), *times)
    show.OUT.print(table)


@keys_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="id of the key, as keys list shows it")]) -> None:
    """Shut a key out from now on, and every link that it made."""
    with database() as stores:
        if not stores.keys.revoke(key_id):
            show.TOLD.print(f"[bold red]not_found[/]: there is no valid key with the id {key_id!r}")
            raise typer.Exit(1)
    show.TOLD.print(f"[dim]key {key_id} is revoked[/]")


def _told(key: KeyRecord) -> dict[str, Any]:
    moments = {name: _moment(value) for name, value in asdict(key).items() if name.endswith("_at")}
    return {"id": key.id, "hint": key.hint, "owner": key.owner, "scopes": key.scopes, "state": _state(key)} | moments


def _state(key: KeyRecord) -> str:
    return "revoked" if key.revoked_at else "valid" if key.valid else "expired"


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
