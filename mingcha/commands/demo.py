"""`mingcha demo`: try the whole product on one machine with one command."""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.output import sentences
from mingcha.settings import load_settings
from mingcha.stack.local import LocalStack


def command(
    seed: Annotated[int, typer.Option(help="which city; the first start decides")] = 20261121,
    broker: Annotated[
        str, typer.Option(help="memory: forgets on stop; apache: durable, needs Java 17")
    ] = "memory",
) -> None:
    """A city of simulated plants: history, live devices, findings, console. Ctrl-C stops everything."""
    from mingcha.demo.run import run_demo

    with sentences():
        run_demo(LocalStack(load_settings(), broker), seed)
