"""`mingcha status`: what of the local stack answers."""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.output import TROUBLE, print_json, print_table, sentences
from mingcha.settings import load_settings
from mingcha.stack.local import LocalStack


def command(json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False) -> None:
    """Exit code 1 when the database, the broker, the gateway or the receiver does not answer."""
    with sentences():
        rows = LocalStack(load_settings()).status()
    if json_:
        print_json([{"part": part, "answers": answers, "where": where} for part, answers, where in rows])
    else:
        print_table(
            "local stack", ("part", "answers", "where"), [(p, "yes" if a else "no", w) for p, a, w in rows]
        )
    if not all(answers for part, answers, _ in rows if part != "console"):
        raise typer.Exit(TROUBLE)
