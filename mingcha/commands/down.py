"""`mingcha down`: stop the local stack, from any terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.output import console, print_json, sentences
from mingcha.settings import load_settings
from mingcha.stack.local import LocalStack


def command(
    forget: Annotated[bool, typer.Option(help="also delete the stack's data")] = False,
    json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Stop what `mingcha up` or a killed `mingcha demo` left running."""
    with sentences():
        stack = LocalStack(load_settings())
        stopped = stack.stop_remembered()
        if forget:
            stack.forget()
    if json_:
        print_json({"stopped": stopped, "forgotten": forget})
    else:
        console.print(
            f"stopped: {', '.join(stopped) or 'nothing was running'}{'; data deleted' if forget else ''}"
        )
