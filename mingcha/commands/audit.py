"""`mingcha audit verify`: is the chain of acts whole?"""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.output import TROUBLE, print_json, sentences
from mingcha.settings import load_settings
from storage import audit as chain
from storage.connection import connect

app = typer.Typer(no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The audit chain."""


@app.command()
def verify(json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False) -> None:
    """Walk the chain; exit code 1 names the first row that does not fit.

    Keep the head it prints somewhere else: a chain cannot show that its end was cut off.
    """
    with sentences(), connect(
        load_settings().require_database_url(), application_name="mingcha audit", autocommit=True
    ) as connection:  # fmt: skip
        broken = chain.verify(connection)
        seq, digest = chain.head(connection)
    if json_:
        print_json({"ok": broken is None, "broken_at": broken, "events": seq, "head": digest.hex()})
    elif broken is None:
        typer.echo(f"whole: {seq} events, head {digest.hex()}")
    else:
        typer.echo(f"broken at event {broken}: it, or the one before it, was changed or removed")
    if broken is not None:
        raise typer.Exit(TROUBLE)
