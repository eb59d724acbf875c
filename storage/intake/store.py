"""One batch into the database: positions, raw records, rows, conflicts, dead letters, counts; or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import errors

from storage.connection import Connection
from storage.errors import StorageError
from storage.intake import tables
from storage.intake.conflicts import Conflict, frame_conflicts, insert_conflicts, value_conflicts
from storage.intake.offsets import advance
from storage.intake.rows import Batch, FrameRows, Outcome, ReadingRows, Rows, Stream
from storage.intake.sorting import sort_rows
from storage.intake.tables import StreamTable

#: Another writer may take a key between sorting and COPY; then the batch is sorted again.
ATTEMPTS = 5

Counts = Mapping[tuple[str, Stream, Outcome], int]


class StaleRegistry(StorageError):
    """A device was approved or changed since the batch was made: make the batch again."""


@dataclass
class Stored:
    """What a batch became: `outcomes` per item, reading rows `brought` by each frame item, `rows` taken by
    each table. `counts` holds the readings inside frames, which are no items.
    """

    outcomes: npt.NDArray[np.int8]
    brought: npt.NDArray[np.int64]
    conflicts: list[Conflict] = field(default_factory=list)
    counts: Counter[tuple[str, Stream, Outcome]] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)
    sorted_tables: frozenset[str] = frozenset()


def store_batch(connection: Connection, batch: Batch, owner: str) -> Stored:
    """Store a batch in one transaction, its positions included.

    Raises Fenced when another writer owns a partition, StaleRegistry when a device of `idle_devices` changed,
    psycopg.DataError or CopyError when a row cannot be stored. Nothing is stored then.
    """
    with connection.transaction(), connection.cursor() as cursor:
        advance(cursor, batch.advances, owner)
        _require_still_idle(cursor, batch.idle_devices)
        tables.copy_records(cursor, batch)
        stored = store_rows(connection, cursor, batch)
        insert_conflicts(cursor, stored.conflicts, batch)
        _insert_dead_letters(cursor, batch)
        add_counts(cursor, _item_counts(batch, stored.outcomes) + stored.counts)
    return stored


def prefer_fast_compression(connection: Connection) -> None:
    """Compress raw records with lz4 where the server has it: pglz costs as much as half of the readings."""
    connection.execute(
        "SELECT set_config(name, 'lz4', false) FROM pg_settings"
        " WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)"
    )


def store_rows(connection: Connection, cursor: Any, batch: Batch) -> Stored:
    """Copy the stream rows straight in; a table that holds one of the keys has its rows sorted first."""
    suspects: set[str] = set()
    for _ in range(ATTEMPTS):
        copying = ""
        try:
            with connection.transaction():
                stored, frames, readings, others = _sort(cursor, batch, suspects)
                copying = tables.FRAME.name
                tables.copy_frames(cursor, frames, batch)
                for table, rows in ((tables.READING, readings), *others):
                    copying = table.name
                    tables.copy_values(cursor, table, rows)
                return stored
        except errors.UniqueViolation:
            suspects.add(copying)
    raise StorageError(f"table {copying} kept changing while a batch was sorted; is another writer on it?")


def _sort(
    cursor: Any, batch: Batch, suspects: set[str]
) -> tuple[Stored, FrameRows, ReadingRows, list[tuple[StreamTable[Any], Rows]]]:
    outcomes = np.full(len(batch.items.record), Outcome.STORED, np.int8)
    outcomes[[refusal.item for refusal in batch.refusals]] = Outcome.DEAD_LETTER
    stored = Stored(outcomes, np.zeros(len(outcomes), np.int64), sorted_tables=frozenset(suspects))
    frames, readings = batch.frames, batch.readings
    if tables.FRAME.name in suspects:
        judged = sort_rows(cursor, tables.FRAME, frames)
        outcomes[frames.item] = judged.verdict
        stored.conflicts += frame_conflicts(cursor, batch, frames, judged.clashes)
        frames = frames.take(judged.verdict == Outcome.STORED)
        readings = readings.take(outcomes[readings.item] == Outcome.STORED)
    of_frame = batch.items.stream[readings.item] == Stream.FRAME
    if tables.READING.name in suspects:
        judged = sort_rows(cursor, tables.READING, readings)
        stored.conflicts += value_conflicts(cursor, tables.READING, readings, judged.clashes)
        outcomes[readings.item[~of_frame]] = judged.verdict[~of_frame]
        _count_frame_readings(stored, batch, readings.item[of_frame], judged.verdict[of_frame])
        readings = readings.take(judged.verdict == Outcome.STORED)
        frames = replace(frames, readings=stored.brought[frames.item].astype(np.int16))
    else:
        _count_frame_readings(stored, batch, readings.item[of_frame], None)
    others: list[tuple[StreamTable[Any], Rows]] = []
    given: tuple[tuple[StreamTable[Any], Rows], ...] = (
        (tables.POWER, batch.power),
        (tables.PASSAGE, batch.passages),
    )
    for table, rows in given:
        if table.name in suspects:
            judged = sort_rows(cursor, table, rows)
            stored.conflicts += value_conflicts(cursor, table, rows, judged.clashes)
            outcomes[rows.item] = judged.verdict
            rows = rows.take(judged.verdict == Outcome.STORED)
        others.append((table, rows))
    stored.rows = {"frame": len(frames), "reading": len(readings)} | {t.name: len(r) for t, r in others}
    return stored, frames, readings, others


def _count_frame_readings(
    stored: Stored, batch: Batch, items: npt.NDArray[np.int32], verdict: npt.NDArray[np.int8] | None
) -> None:
    """`verdict` None: all are stored."""
    size = len(batch.items.record)
    for outcome in (Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT):
        if verdict is None and outcome is not Outcome.STORED:
            continue
        per_item = np.bincount(items if verdict is None else items[verdict == outcome], minlength=size)
        if outcome is Outcome.STORED:
            stored.brought = per_item
        for item in np.flatnonzero(per_item).tolist():
            subject = batch.items.subject[item]
            stored.counts[subject, Stream.FRAME_READING, outcome] += int(per_item[item])


def _item_counts(batch: Batch, outcomes: npt.NDArray[np.int8]) -> Counter[tuple[str, Stream, Outcome]]:
    keys = zip(batch.items.subject, batch.items.stream.tolist(), outcomes.tolist(), strict=True)
    return Counter({(s, Stream(t), Outcome(o)): n for (s, t, o), n in Counter(keys).items()})


def add_counts(cursor: Any, counts: Counts) -> None:
    """Add to `ingest_count`; in one order, so that two writers cannot wait for each other."""
    ordered = sorted(counts.items())
    cursor.execute(
        "INSERT INTO ingest_count AS c (subject, stream, outcome, items)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])"
        " ON CONFLICT (subject, stream, outcome) DO UPDATE SET items = c.items + excluded.items",
        (
            [subject for (subject, _, _), _ in ordered],
            [stream.name.lower() for (_, stream, _), _ in ordered],
            [outcome.name.lower() for (_, _, outcome), _ in ordered],
            [items for _, items in ordered],
        ),
    )


def _require_still_idle(cursor: Any, devices: tuple[int, ...]) -> None:
    if not devices:
        return
    # the lock makes an approval wait for this batch, or this batch see the approval
    cursor.execute(
        "SELECT state = 'active' AND outlet_id IS NOT NULL FROM device WHERE device_key = ANY(%s::int[])"
        " ORDER BY device_key FOR SHARE",
        (list(devices),),
    )
    if any(usable for (usable,) in cursor.fetchall()):
        raise StaleRegistry("a device was approved while its frames were on the way")


def _insert_dead_letters(cursor: Any, batch: Batch) -> None:
    if not batch.refusals:
        return
    cursor.executemany(
        "INSERT INTO dead_letter (topic, stream_key, partition, kafka_offset, item, received_at, peer,"
        " subject, stage, reason, detail, body)"
        " VALUES (%s, %s, %s, %s, %s, 'epoch'::timestamptz + %s * interval '1 microsecond',"
        " %s, %s, %s, %s, %s, %s)",
        [
            (
                refusal.topic, record.stream_key, record.partition, record.kafka_offset,
                int(batch.items.number[refusal.item]), refusal.received_us, _text(refusal.peer),
                _text(refusal.subject), _text(refusal.stage), _text(refusal.reason),
                _text(refusal.detail), refusal.body,
            )
            for refusal in batch.refusals
            for record in (batch.records[batch.items.record[refusal.item]],)
        ],
    )  # fmt: skip


def _text(value: str) -> str:
    """What PostgreSQL text can hold of what a device sent."""
    return value.replace("\0", "\ufffd").encode(errors="replace").decode()
