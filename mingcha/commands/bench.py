"""`mingcha bench`: ratios against a baseline measured in the same run, never bare timings."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from mingcha.output import console, print_json, print_table, sentences

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="one JSON line")]


@app.command()
def decode(json_: Json = False) -> None:
    """HJ 212 frames a second: ours against two plain-Python yardsticks."""
    _report("decode", json_)


@app.command()
def ingest(json_: Json = False) -> None:
    """Readings a second from arrays, Kafka and TCP to durable rows, against server-side COPY (R0)."""
    _report("ingest", json_)


@app.command()
def detect(json_: Json = False) -> None:
    """Values a second through the kernels, against plain implementations."""
    _report("detect", json_)


def _report(name: str, as_json: bool) -> None:
    with sentences():
        result: dict[str, object] = importlib.import_module(f"benchmarks.{name}").run()
    if as_json:
        print_json(result)
        return
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print_table(key, list(value[0]), [list(row.values()) for row in value])
        elif isinstance(value, dict):
            print_table(key, ("", ""), list(value.items()))
        else:
            console.print(f"{key}: {value}", highlight=False)
