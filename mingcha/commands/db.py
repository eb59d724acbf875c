"""`mingcha db`: bring the schema up, show where it stands, drop what is older than the law wants kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from domain.clock import in_shanghai
from mingcha.output import TROUBLE, console, print_json, print_table, sentences
from mingcha.settings import load_settings
from storage.connection import Connection, connect
from storage.migrate import migrate, status
from storage.retention import drop_older_than

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="one JSON line")]


@app.command("migrate")
def migrate_(json_: Json = False) -> None:
    """Apply the migrations this database lacks."""

    def tell(name: str) -> None:
        if not json_:
            console.print(f"applying {name}", highlight=False)

    with _database() as connection:
        applied = migrate(connection, tell)
        if json_:
            print_json({"applied": applied})
        else:
            console.print(f"{len(applied)} applied; the schema is up to date", highlight=False)


@app.command("status")
def status_(json_: Json = False) -> None:
    """Show what is applied; exit code 1 while something is not."""
    with _database() as connection:
        found = status(connection)
    if json_:
        print_json(
            {
                "flavour": found.flavour,
                "timescale_version": found.timescale_version,
                "applied": [{"name": name, "applied_at": at} for name, at in found.applied],
                "pending": list(found.pending),
            }
        )
    else:
        rows = [(name, in_shanghai(at).isoformat(sep=" ", timespec="seconds")) for name, at in found.applied]
        print_table(
            f"schema, {found.flavour} PostgreSQL", ("migration", "applied"),
            [*rows, *((name, "pending") for name in found.pending)],
        )  # fmt: skip
    if found.pending:
        raise typer.Exit(TROUBLE)


@app.command("retention")
def retention(json_: Json = False) -> None:
    """Drop monitoring records older than 5 years and passages older than 24 months."""
    with _database() as connection:
        dropped = drop_older_than(connection)
    if json_:
        print_json(dropped)
    else:
        print_table("dropped", ("table", "dropped", ""), [(d.relation, d.dropped, d.unit) for d in dropped])


@contextmanager
def _database() -> Iterator[Connection]:
    url = load_settings().require_database_url
    with sentences(), connect(url(), application_name="mingcha db", autocommit=True) as connection:
        yield connection
