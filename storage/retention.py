"""Drops what is older than the law wants kept; periods stand in 004_time.*.sql.

On TimescaleDB policies do this in the background; on plain PostgreSQL `mingcha db retention` does, nightly.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.connection import Connection


@dataclass(frozen=True)
class Dropped:
    """How much of one table went; `unit` is rows, or chunks on TimescaleDB."""

    relation: str
    dropped: int
    unit: str


def drop_older_than(connection: Connection) -> list[Dropped]:
    """Drop monitoring records older than 5 years and passages older than 24 months, by their own times."""
    rows = connection.execute("SELECT relation, dropped, unit FROM drop_older_than()")
    return [Dropped(*row) for row in rows]
