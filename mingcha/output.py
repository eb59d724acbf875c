"""What commands print: tables for people, JSON for programs; errors as one sentence.

Exit codes: 0 done, 1 found trouble, 2 wrong use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import MingchaError

DONE, TROUBLE, WRONG_USE = 0, 1, 2

console = Console()
errors = Console(stderr=True)


def print_json(value: object) -> None:
    """One JSON document on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn our own errors into one sentence on stderr and exit code 1."""
    try:
        yield
    except MingchaError as error:
        # not wrapped: a sentence in a log is one line
        errors.print(f"[red]mingcha:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(TROUBLE) from error


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
