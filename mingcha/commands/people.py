"""`mingcha people`: local accounts of the console."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from enforcement.people import SYSTEM, add_person
from enforcement.rights import EVERYWHERE, Role
from mingcha.output import print_json, print_table, sentences
from mingcha.settings import load_settings
from storage import people as rows
from storage.connection import connect

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    login: Annotated[str, typer.Argument(help="what the person types to sign in")],
    name: Annotated[str, typer.Option(help="shown beside every act")],
    role: Annotated[list[Role], typer.Option(help="may be given several times")],
    region: Annotated[
        list[str] | None, typer.Option(help="region code or its beginning; may be given several times")
    ] = None,
    all_regions: Annotated[bool, typer.Option("--all-regions", help="no limit by region")] = False,
    json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Make an account. The password is asked for, or read from the first line of standard input."""
    regions = [EVERYWHERE] if all_regions else (region or [])
    with sentences(), connect(_url(), application_name="mingcha people") as connection:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip(os.linesep)
        add_person(connection, login, name, password, role, regions, by=SYSTEM, now=datetime.now(UTC))
    if json_:
        print_json({"login": login, "roles": role, "regions": regions})
    else:
        typer.echo(f"{login} may sign in")


@app.command("list")
def list_(json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False) -> None:
    """Accounts, their roles and regions."""
    with sentences(), connect(_url(), application_name="mingcha people") as connection:
        people = rows.people(connection)
    found = [
        {"login": p.login, "name": p.name, "roles": p.roles, "regions": p.regions, "active": p.active}
        for p in people
    ]
    if json_:
        print_json(found)
    else:
        print_table(
            "people",
            ("login", "name", "roles", "regions", "active"),
            [(p.login, p.name, " ".join(p.roles), " ".join(p.regions), p.active) for p in people],
        )


def _url() -> str:
    return load_settings().require_database_url()
