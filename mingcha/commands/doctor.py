"""`mingcha doctor`: what stands in the way, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.doctor import Health, examine
from mingcha.output import TROUBLE, print_json, print_table, sentences
from mingcha.settings import load_settings


def command(json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False) -> None:
    """Exit code 1 when any check found trouble."""
    with sentences():
        found = examine(load_settings())
    if json_:
        print_json(found)
    else:
        print_table("doctor", ("what", "", "seen"), [(d.subject, d.health.value, d.text) for d in found])
    if any(d.health is Health.TROUBLE for d in found):
        raise typer.Exit(TROUBLE)
