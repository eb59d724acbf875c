"""Where a writer stands in each partition; it moves in the transaction of the rows (guarantee G2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from domain.clock import from_microseconds
from storage.connection import Connection
from storage.errors import StorageError

#: Between two statements of a batch a writer computes for milliseconds.
HUNG_SECONDS = 5
#: A batch takes about a second; a slow server must not make it hopeless.
HUNG_TRANSACTION_SECONDS = 120
#: What a writer that hung for longer meets when it goes on.
LET_GO = (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout)


class Fenced(StorageError):
    """Another writer moved the position of a partition: it owns it now, this one stops writing."""


@dataclass(frozen=True)
class Advance:
    """The step of one partition: from the offset expected to the next one to read.

    `event_us` is the newest event time in between (µs since 1970 UTC), None when there was none.
    """

    stream_key: int
    partition: int
    expected: int
    next_offset: int
    event_us: int | None = None


def stream_key_of(connection: Connection, topic: str, topic_id: str) -> int:
    """The key of a topic of one cluster; a topic made anew under its old name is another stream."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO stream (topic, topic_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", (topic, topic_id)
        )
        row = connection.execute(
            "SELECT stream_key FROM stream WHERE topic = %s AND topic_id = %s", (topic, topic_id)
        ).fetchone()
    assert row is not None
    return int(row[0])


def read_positions(connection: Connection, stream_key: int, partitions: Iterable[int]) -> dict[int, int]:
    """The next offset of each partition; one never read starts at 0."""
    wanted = list(partitions)
    with connection.transaction():
        connection.execute(
            "INSERT INTO ingest_offset (stream_key, partition)"
            " SELECT %s, unnest(%s::smallint[]) ON CONFLICT DO NOTHING",
            (stream_key, wanted),
        )
        rows = connection.execute(
            "SELECT partition, next_offset FROM ingest_offset"
            " WHERE stream_key = %s AND partition = ANY(%s::smallint[])",
            (stream_key, wanted),
        ).fetchall()
    return {int(partition): int(next_offset) for partition, next_offset in rows}


def let_go_when_hung(connection: Connection) -> None:
    """Have the server end this session's transaction when the writer freezes or its machine is gone.

    The transaction holds the positions: without a limit the next writer would wait for it for ever.
    """
    connection.execute(f"SET idle_in_transaction_session_timeout = '{HUNG_SECONDS}s'")
    if connection.info.server_version >= 170000:  # a hang in the middle of COPY is not idle
        connection.execute(f"SET transaction_timeout = '{HUNG_TRANSACTION_SECONDS}s'")


def advance(cursor: psycopg.Cursor[Any], steps: Iterable[Advance], owner: str) -> None:
    """Move the positions, or raise Fenced when one is not where it was expected.

    Call it first in the transaction: a second writer of the partition waits here and is then refused.
    """
    for step in sorted(steps, key=lambda s: (s.stream_key, s.partition)):
        cursor.execute(
            "UPDATE ingest_offset SET next_offset = %s, owner = %s, updated_at = now(),"
            " event_time = greatest(event_time, %s)"
            " WHERE stream_key = %s AND partition = %s AND next_offset = %s",
            (
                step.next_offset,
                owner,
                None if step.event_us is None else from_microseconds(step.event_us),
                step.stream_key,
                step.partition,
                step.expected,
            ),
        )
        if cursor.rowcount != 1:
            raise Fenced(
                f"another writer has moved partition {step.partition} of stream {step.stream_key} on from"
                f" offset {step.expected}; stop one of the two, or give them different partitions"
            )
