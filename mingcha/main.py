"""The front door: `mingcha …`. Each command is one module of `mingcha.commands`.

A module hands out `app` (a Typer with subcommands) or `command` (one function). Only the module of the
command asked for is imported: `mingcha hj212 decode` must not pay for Streamlit.
"""

from __future__ import annotations

import importlib
import sys

import typer

#: Command -> what it does, in the order of the help page. Its module is mingcha.commands.<name>, - as _.
COMMANDS = {
    "hj212": "decode and encode HJ 212 frames",
}


def build(called: str | None) -> typer.Typer:
    """The application with the module of `called` loaded and the other commands by name only."""
    app = typer.Typer(
        name="mingcha", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        help="明察: off-site environmental supervision.",
    )  # fmt: skip
    for name, purpose in COMMANDS.items():
        if name != called:
            app.command(name, help=purpose)(_not_called)
            continue
        module = importlib.import_module(f"mingcha.commands.{name.replace('-', '_')}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=purpose)
        else:
            app.command(name, help=purpose)(module.command)
    return app


def _not_called() -> None:
    raise AssertionError("the command asked for is always loaded")


def run() -> None:
    called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    build(called)()
