"""One way to connect: UTC, a name the server can show, a sentence when it does not answer."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from storage.errors import DatabaseUnreachable

Connection = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT_SECONDS = 10


def connect(url: str, *, application_name: str, autocommit: bool = False) -> Connection:
    """Connect to PostgreSQL with the session time zone UTC.

    `application_name` is what `pg_stat_activity` shows, `mingcha writer` for instance.
    Raises DatabaseUnreachable, which names host, port and database and never the password.
    """
    try:
        connection = psycopg.connect(
            url,
            autocommit=autocommit,
            application_name=application_name,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )
        # not by start-up options: connection poolers refuse them
        connection.execute("SET TIME ZONE 'UTC'")
        if not autocommit:
            connection.commit()
    except psycopg.Error as error:
        raise DatabaseUnreachable(_sentence(url, error)) from None
    return connection


def _sentence(url: str, error: psycopg.Error) -> str:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # the text may hold a password: do not repeat it
        return "the database address cannot be read; write it as postgresql://user@host:5432/name"
    place = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    reason = " ".join(str(error).split())
    password = parts.get("password")
    if password:
        reason = reason.replace(str(password), "…")
    return f"no connection to PostgreSQL at {place}: {reason}"
