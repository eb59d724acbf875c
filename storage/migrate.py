"""Brings a database to the schema of this code: plain numbered SQL files, applied once, in order.

`NNN_name.sql` is for every server; `NNN_name.plain.sql` and `NNN_name.timescale.sql` are the two forms of one
step. Which form a database gets is decided when its first such step is applied and then stays.

A file is one transaction, its entry in `schema_migration` included. A file that holds the line
`-- no-transaction` runs statement by statement (each ends with `;` at the end of a line): its statements must
be repeatable, for a failure half way leaves the first ones done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import psycopg

from domain.standards import factors
from storage.connection import Connection, connect
from storage.errors import MigrationError

MIGRATIONS = Path(__file__).parent / "migrations"
TIMESCALE_MINIMUM = (2, 20)
NO_TRANSACTION = "-- no-transaction"

_FILE = re.compile(r"(?P<number>\d{3})_[a-z0-9_]+(\.(?P<flavour>plain|timescale))?\.sql")
_LOCK = 0x6D63_6D67  # 'mcmg': one migration of a database at a time


class Flavour(StrEnum):
    PLAIN = "plain"
    TIMESCALE = "timescale"


@dataclass(frozen=True)
class Migration:
    """One file of the migrations folder. `flavour` None: for every server."""

    number: int
    name: str
    flavour: Flavour | None
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return NO_TRANSACTION not in self.sql.splitlines()


@dataclass(frozen=True)
class MigrationStatus:
    """Where a database stands: file name and time of each step applied, file names still to come."""

    flavour: Flavour
    timescale_version: str | None
    applied: tuple[tuple[str, datetime], ...]
    pending: tuple[str, ...]


def migrate(
    target: str | Connection,
    progress: Callable[[str], None] | None = None,
    *,
    directory: Path = MIGRATIONS,
) -> list[str]:
    """Apply what is missing and return the names of the files applied.

    `target` is a URL or an idle connection; `progress` hears each file name before it runs. Waits for
    another migration of the same database to end. Also brings the `factor` table up to factors.toml.
    Raises MigrationError when an applied file was changed or a statement fails.
    """
    if isinstance(target, str):
        with connect(target, application_name="mingcha migrate", autocommit=True) as connection:
            return migrate(connection, progress, directory=directory)
    applied = []
    with _idle_autocommit(target) as connection, _lock(connection):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY,"
            " name text NOT NULL UNIQUE, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for migration in _pending(connection, directory):
            if progress is not None:
                progress(migration.name)
            _apply(connection, migration)
            applied.append(migration.name)
        if directory == MIGRATIONS:
            with connection.transaction():
                _synchronise_factors(connection)
    return applied


def status(connection: Connection, *, directory: Path = MIGRATIONS) -> MigrationStatus:
    """What is applied and what is not. Raises MigrationError when an applied file was changed."""
    exists = connection.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone() == (True,)
    rows = []
    if exists:
        rows = connection.execute("SELECT name, applied_at FROM schema_migration ORDER BY number").fetchall()
        pending = _pending(connection, directory)
    else:
        pending = _of_flavour(read_migrations(directory), _detect(connection))
    return MigrationStatus(
        flavour=_flavour(connection) if exists else _detect(connection),
        timescale_version=_timescale_version(connection),
        applied=tuple(rows),
        pending=tuple(m.name for m in pending),
    )


def read_migrations(directory: Path = MIGRATIONS) -> list[Migration]:
    """The files of a folder by number. Raises MigrationError on a strange name or a number used twice."""
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise MigrationError(
                f"{path.name}: name it NNN_word.sql, NNN_word.plain.sql or NNN_word.timescale.sql"
            )
        flavour = Flavour(match["flavour"]) if match["flavour"] else None
        migrations.append(
            Migration(int(match["number"]), path.name, flavour, path.read_text(encoding="utf-8"))
        )
    for flavour in Flavour:
        numbers = [m.number for m in _of_flavour(migrations, flavour)]
        twice = next((n for n in numbers if numbers.count(n) > 1), None)
        if twice is not None:
            raise MigrationError(f"migration number {twice:03d} is used twice for {flavour} servers")
    return migrations


def _of_flavour(migrations: list[Migration], flavour: Flavour) -> list[Migration]:
    return [m for m in migrations if m.flavour in (None, flavour)]


def _pending(connection: Connection, directory: Path) -> list[Migration]:
    migrations = read_migrations(directory)
    by_name = {m.name: m for m in migrations}
    done: set[int] = set()
    for number, name, checksum in connection.execute("SELECT number, name, checksum FROM schema_migration"):
        if name not in by_name:
            raise MigrationError(
                f"{name} was applied to this database and is not in this version; use a newer mingcha"
            )
        if by_name[name].checksum != checksum:
            raise MigrationError(
                f"{name} was changed after it was applied to this database; "
                "undo the change and write a new numbered file"
            )
        done.add(number)
    return [m for m in _of_flavour(migrations, _flavour(connection)) if m.number not in done]


def _flavour(connection: Connection) -> Flavour:
    row = connection.execute(
        r"SELECT name LIKE '%.timescale.sql' FROM schema_migration"
        r" WHERE name ~ '\.(plain|timescale)\.sql$' LIMIT 1"
    ).fetchone()
    if row is None:
        return _detect(connection)
    return Flavour.TIMESCALE if row == (True,) else Flavour.PLAIN


def _detect(connection: Connection) -> Flavour:
    version = _timescale_version(connection)
    numbers = re.match(r"(\d+)\.(\d+)", version or "")
    if numbers is None or (int(numbers[1]), int(numbers[2])) < TIMESCALE_MINIMUM:
        return Flavour.PLAIN
    return Flavour.TIMESCALE


def _timescale_version(connection: Connection) -> str | None:
    row = connection.execute(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions"
        " WHERE name = 'timescaledb'"
    ).fetchone()
    return None if row is None else row[0]


def _apply(connection: Connection, migration: Migration) -> None:
    try:
        if migration.in_transaction:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                _record(connection, migration)
        else:
            for statement in re.split(r"(?<=;)[ \t]*\n", migration.sql):
                if statement.strip():
                    connection.execute(statement.encode())
            _record(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}: {' '.join(str(error).split())}") from error


def _record(connection: Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO schema_migration (number, name, checksum) VALUES (%s, %s, %s)",
        (migration.number, migration.name, migration.checksum),
    )


def _synchronise_factors(connection: Connection) -> None:
    """A code first met in the field keeps the key its readings are stored under, named or not."""
    for factor in factors().values():
        try:
            connection.execute(
                "INSERT INTO factor (factor_key, code) VALUES (%s, %s) ON CONFLICT (code) DO NOTHING",
                (factor.key, factor.code),
            )
        except psycopg.errors.UniqueViolation as error:
            raise MigrationError(
                f"factor key {factor.key} of {factor.code} belongs to another code in this database; "
                "keys of domain/data/factors.toml are never reused"
            ) from error


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        yield
    finally:
        # a server that ends the connection (TimescaleDB not preloaded) has released the lock
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


@contextmanager
def _idle_autocommit(connection: Connection) -> Iterator[Connection]:
    before = connection.autocommit
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise MigrationError("a migration needs a connection that is not inside a transaction")
    connection.autocommit = True
    try:
        yield connection
    finally:
        if not connection.closed:
            connection.autocommit = before
