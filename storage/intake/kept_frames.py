"""Frames kept while their device could not be used, and their readings once it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from storage.connection import Connection
from storage.intake.conflicts import insert_conflicts
from storage.intake.rows import Batch
from storage.intake.store import add_counts, store_rows


@dataclass(frozen=True)
class KeptFrame:
    """A frame without readings; `body` None: its raw record is past its retention."""

    key_time: datetime
    cn: int
    part: int
    received_at: datetime
    peer: str
    stream_key: int
    partition: int
    kafka_offset: int
    body: bytes | None


_PLACES = """
SELECT key_time, cn, part FROM frame WHERE device_key = %s AND readings = 0
ORDER BY stream_key, partition, kafka_offset, byte_offset
"""
_BODIES = """
SELECT f.key_time, f.cn, f.part, f.received_at, host(f.peer), f.stream_key, f.partition, f.kafka_offset,
       substring(r.body FROM f.byte_offset + 1 FOR f.length)
FROM unnest(%s::timestamptz[], %s::smallint[], %s::smallint[])
     WITH ORDINALITY AS k (key_time, cn, part, place)
JOIN frame f ON f.device_key = %s AND (f.key_time, f.cn, f.part) = (k.key_time, k.cn, k.part)
LEFT JOIN raw_record r USING (stream_key, partition, kafka_offset)
ORDER BY k.place
"""
_BROUGHT = """
UPDATE frame SET readings = %s WHERE device_key = %s AND key_time = %s AND cn = %s AND part = %s
"""


def lock_device(connection: Connection, mn: str) -> int | None:
    """The key of a device, locked: a writer that keeps frames of it has committed them or will ask again."""
    row = connection.execute("SELECT device_key FROM device WHERE mn = %s FOR UPDATE", (mn,)).fetchone()
    return None if row is None else int(row[0])


def pending_among(connection: Connection, mns: Sequence[str]) -> list[str]:
    """Those of these MNs that wait for approval."""
    rows = connection.execute(
        "SELECT mn FROM device WHERE state = 'pending' AND mn = ANY(%s::text[]) ORDER BY mn", (list(mns),)
    )
    return [mn for (mn,) in rows]


def kept_frames(connection: Connection, device_key: int, size: int = 500) -> Iterator[list[KeptFrame]]:
    """The frames of a device that brought no readings, in the order they came in, some at a time."""
    places = connection.execute(_PLACES, (device_key,)).fetchall()
    for start in range(0, len(places), size):
        times, cns, parts = zip(*places[start : start + size], strict=True)
        rows = connection.execute(_BODIES, (list(times), list(cns), list(parts), device_key))
        yield [KeptFrame(*row) for row in rows]


def add_readings(connection: Connection, device_key: int, frames: Sequence[KeptFrame], batch: Batch) -> int:
    """Store the readings of frames that are in the database already; item i of the batch is frame i.

    Returns how many reading rows were added.
    """
    with connection.cursor() as cursor:
        stored = store_rows(connection, cursor, batch)
        insert_conflicts(cursor, stored.conflicts, batch)
        add_counts(cursor, stored.counts)
        brought = [(int(stored.brought[i]), frames[i]) for i in np.flatnonzero(stored.brought).tolist()]
        cursor.executemany(
            _BROUGHT,
            [(rows, device_key, frame.key_time, frame.cn, frame.part) for rows, frame in brought],
        )
    return int(stored.brought.sum())
