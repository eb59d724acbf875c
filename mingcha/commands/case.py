"""`mingcha case`: clues and cases without the console."""

from __future__ import annotations

from typing import Annotated

import typer

from enforcement.states import State
from mingcha.output import print_json, print_table, sentences
from mingcha.settings import load_settings
from storage import clues
from storage.connection import connect

app = typer.Typer(no_args_is_help=True)


@app.callback()
def case() -> None:
    """Clues and cases."""


@app.command("list")
def list_(
    state: Annotated[list[State] | None, typer.Option(help="may be given several times")] = None,
    limit: Annotated[int, typer.Option(min=1, help="most pressing first")] = 500,
    json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Every clue in every region: whoever may run this reads the whole database anyway."""
    with sentences(), connect(
        load_settings().require_database_url(), application_name="mingcha case"
    ) as connection:  # fmt: skip
        rows = clues.queue(connection, scope=["%"], states=state, limit=limit)
    if json_:
        print_json(rows)
        return
    print_table(
        "clues",
        ("clue", "grade", "state", "site", "outlet", "from", "to", "sentence"),
        [
            (r.clue_id, r.grade, r.state, r.site_name, r.outlet_name, r.starts_at, r.ends_at, r.sentence_zh)
            for r in rows
        ],
    )
