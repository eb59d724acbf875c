"""`mingcha console`: Streamlit with our pages, our look and nothing from outside."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mingcha.output import WRONG_USE, console, errors, print_json, sentences
from mingcha.settings import Settings, load_settings
from mingcha.stack.ports import require_free


def arguments(settings: Settings) -> list[str]:
    """The command line of the console's process; the look is in ui/.streamlit/config.toml."""
    return [
        sys.executable, "-m", "streamlit", "run", str(entry()),
        "--server.address", settings.host, "--server.port", str(settings.console_port),
    ]  # fmt: skip


def environment(settings: Settings) -> dict[str, str]:
    """The address of the database goes by the environment: it may hold a password."""
    return {**os.environ, "MINGCHA_DATABASE_URL": settings.require_database_url()}


def entry() -> Path:
    """ui/app.py, found without importing Streamlit."""
    spec = importlib.util.find_spec("ui")
    if spec is None or spec.origin is None:
        errors.print("[red]mingcha:[/red] the package ui is not installed")
        raise typer.Exit(WRONG_USE)
    return Path(spec.origin).parent / "app.py"


def command(json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False) -> None:
    """Serve the console until Ctrl-C."""
    with sentences():
        settings = load_settings()
        require_free(settings.console_port, "console")
    address = f"http://{settings.host}:{settings.console_port}"
    if json_:
        print_json({"address": address})
    else:
        console.print(f"console  {address}", highlight=False)
    sys.stdout.flush()
    # become Streamlit: a child would outlive whoever stops this process
    os.execve(sys.executable, arguments(settings), environment(settings))
