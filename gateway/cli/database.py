"""The database on this machine, for the operator's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli import show
from gateway.settings import gateway_settings
from gateway.store.database import Database


@contextmanager
def database() -> Iterator[Database]:
    """The database of this machine's settings, with its tables. Exit code 1 where it cannot be used."""
    settings = gateway_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    stores = Database(settings.sql_url)
    try:
        stores.create_schema()
        yield stores
    except SQLAlchemyError as error:
        show.TOLD.print(f"[bold red]service_unavailable[/]: the database cannot be used: {type(error).__name__}")
        raise typer.Exit(1) from None
    finally:
        stores.close()
