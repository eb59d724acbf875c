"""SQL behind people: local accounts, their failures and locks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from storage.connection import Connection


@dataclass(frozen=True)
class PersonRow:
    login: str
    name: str
    password_hash: str
    roles: list[str]
    regions: list[str]
    failures: int
    locked_until: datetime | None
    active: bool


def person(connection: Connection, login: str, *, lock: bool = False) -> PersonRow | None:
    """One account; `lock` holds its row until the transaction ends."""
    query = "SELECT * FROM person WHERE login = %s"
    with connection.cursor(row_factory=class_row(PersonRow)) as cursor:
        cursor.execute(query + " FOR UPDATE" if lock else query, [login])
        return cursor.fetchone()


def people(connection: Connection) -> list[PersonRow]:
    with connection.cursor(row_factory=class_row(PersonRow)) as cursor:
        cursor.execute("SELECT * FROM person ORDER BY login")
        return cursor.fetchall()


def names(connection: Connection, logins: Sequence[str]) -> dict[str, str]:
    """Login -> name, for showing who did something."""
    rows = connection.execute("SELECT login, name FROM person WHERE login = ANY(%s)", [list(logins)])
    return dict(rows.fetchall())


def add_person(
    connection: Connection,
    login: str,
    name: str,
    password_hash: str,
    roles: list[str],
    regions: list[str],
) -> bool:
    """Insert; False when the login is taken."""
    inserted = connection.execute(
        "INSERT INTO person (login, name, password_hash, roles, regions) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (login) DO NOTHING",
        [login, name, password_hash, roles, regions],
    )
    return inserted.rowcount == 1


def set_failures(connection: Connection, login: str, failures: int, locked_until: datetime | None) -> None:
    connection.execute(
        "UPDATE person SET failures = %s, locked_until = %s WHERE login = %s",
        [failures, locked_until, login],
    )
