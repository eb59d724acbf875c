"""The dead letters: what was refused, why, and its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from psycopg import sql
from psycopg.rows import class_row

from storage.connection import Connection

State = Literal["new", "replayed", "dropped"]


@dataclass(frozen=True)
class DeadLetter:
    """`topic` is where replaying puts `body`; place and item say where it came from."""

    dead_letter_id: int
    topic: str
    stream_key: int
    partition: int
    kafka_offset: int
    item: int
    received_at: datetime
    peer: str
    subject: str
    stage: str
    reason: str
    detail: str
    state: State
    body: bytes = field(repr=False)


_COLUMNS = sql.SQL(
    "dead_letter_id, topic, stream_key, partition, kafka_offset, item, received_at, peer, subject, stage,"
    " reason, detail, state, body"
)


def find_dead_letters(
    connection: Connection,
    *,
    state: State | None = None,
    reason: str | None = None,
    subject: str | None = None,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[DeadLetter]:
    """Dead letters by what is given, the newest first; with `ids` in that order of age too."""
    conditions: list[sql.Composable] = [sql.SQL("true")]
    values: list[object] = []
    for column, value in (("state", state), ("reason", reason), ("subject", subject)):
        if value is not None:
            conditions.append(sql.SQL("{} = %s").format(sql.Identifier(column)))
            values.append(value)
    if ids is not None:
        conditions.append(sql.SQL("dead_letter_id = ANY(%s::bigint[])"))
        values.append(list(ids))
    query = sql.SQL("SELECT {} FROM dead_letter WHERE {} ORDER BY dead_letter_id DESC LIMIT %s").format(
        _COLUMNS, sql.SQL(" AND ").join(conditions)
    )
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(query, [*values, limit]).fetchall()


def mark_dead_letters(connection: Connection, ids: Sequence[int], state: State) -> None:
    connection.execute(
        "UPDATE dead_letter SET state = %s WHERE dead_letter_id = ANY(%s::bigint[])", (state, list(ids))
    )
