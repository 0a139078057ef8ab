"""``raconteur audit``: for the operator, on the machine of the database; the gateway need not run."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from gateway.cli import show
from gateway.cli.database import database

audit_app = typer.Typer(help="Read and check the log of what was made on whose consent.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


@audit_app.command("verify")
def verify(as_json: AsJson = False) -> None:
    """Check that no entry was changed, removed or put in between. Exit code 1 where one was.

    Note the head somewhere else: it fixes all entries so far, so that a log that was cut off shows, too.
    """
    with database() as stores:
        verdict = stores.audit.verify()
    if as_json:
        print(json.dumps(asdict(verdict)))
    elif verdict.broken_at is None:
        show.OUT.print(f"{verdict.entries} entries, unbroken; head {verdict.head}")
    else:
        show.OUT.print(f"[bold red]broken[/] at entry {verdict.broken_at} of {verdict.entries}")
    if verdict.broken_at is not None:
        raise typer.Exit(1)


@audit_app.command("show")
def show_entries(job_id: Annotated[str, typer.Argument(help="id of the job, which may be erased by now")]) -> None:
    """What is written about a job, as JSON lines."""
    with database() as stores:
        found = stores.audit.entries(job_id)
    if not found:
        show.TOLD.print(f"[bold red]not_found[/]: the log knows no job {escape(repr(job_id))}")
        raise typer.Exit(1)
    for entry in found:
        print(json.dumps(asdict(entry) | {"details": json.loads(entry.details)}))
