"""The front door: `mingcha …`. Each command is one module of `mingcha.commands`.

A module hands out `app` (a Typer with subcommands) or `command` (one function). Only the module of the
command asked for is imported: `mingcha hj212 decode` must not pay for Streamlit.
"""

from __future__ import annotations

import importlib
import keyword
import sys

import typer

#: Command -> what it does, in the order of the help page.
COMMANDS = {
    "demo": "a whole city on this machine: history, live devices, findings, console",
    "up": "start the local database and broker",
    "down": "stop the local stack; --forget deletes its data",
    "status": "what of the local stack is running",
    "doctor": "find what an operator gets wrong: ports, clock, disk, servers, libraries",
    "db": "migrate the database",
    "gateway": "take HJ 212 frames over TCP",
    "receiver": "take power and passages over HTTP",
    "writer": "write Kafka records to the database, exactly once",
    "console": "open the officers' console",
    "import": "send a bundle through Kafka into the database",
    "detect": "run the detectors on the database or on a bundle",
    "hj212": "decode and encode HJ 212 frames",
    "simulate": "make plants, tampering and their truth; score findings against it",
    "bench": "measure decode, ingest and detect against baselines in the same run",
    "ledger": "check that everything sent is accounted for",
    "dead-letters": "list, show and replay what was refused",
    "devices": "list devices, approve pending ones",
    "people": "local accounts of the console",
    "case": "list clues and cases",
    "audit": "verify the audit chain",
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
        module = importlib.import_module(f"mingcha.commands.{_module_name(name)}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=purpose)
        else:
            app.command(name, help=purpose)(module.command)
    return app


def _module_name(command: str) -> str:
    name = command.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _not_called() -> None:
    raise AssertionError("the command asked for is always loaded")


def run() -> None:
    called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    build(called)()
