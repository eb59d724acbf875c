"""Conflicts: the same key with other content. Both sides are kept as they were; neither is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from domain.clock import INTERVAL_KEYS, from_microseconds
from storage.intake.rows import Batch, FrameRows, ReadingRows, Rows
from storage.intake.sorting import Clash
from storage.intake.tables import FRAME, READING, StreamTable

_INTERVALS = {key: interval.value for interval, key in INTERVAL_KEYS.items()}


@dataclass(frozen=True)
class Conflict:
    kind: str
    subject: str
    key_time: datetime
    existing: Mapping[str, object]
    offered: Mapping[str, object]
    item: int  # the item of the batch that offered it


def value_conflicts(
    cursor: Any, table: StreamTable[Any], rows: Rows, clashes: Sequence[Clash]
) -> list[Conflict]:
    """Readings, power values and passages: key and values of both sides, by column name."""
    codes = _factor_codes(cursor) if table is READING and clashes else {}
    found = []
    for clash in clashes:
        key = dict(zip(table.key, table.key_tuple(rows, clash.row), strict=True))
        subject_key, time = next(iter(key.values())), key[table.time]
        assert isinstance(time, datetime)
        named = _name(key, codes)
        offered = dict(zip(table.values, table.value_tuple(rows, clash.row), strict=True))
        existing = dict(zip(table.values, clash.existing, strict=True))
        found.append(
            Conflict(
                table.name,
                _subject(cursor, table, subject_key),
                time,
                named | existing,
                named | offered,
                int(rows.item[clash.row]),
            )
        )
    return found


def frame_conflicts(cursor: Any, batch: Batch, frames: FrameRows, clashes: Sequence[Clash]) -> list[Conflict]:
    """Frames: where each side lies, its hash and text; the side offered with the readings it would bring."""
    codes = _factor_codes(cursor) if clashes else {}
    found = []
    for clash in clashes:
        device_key, key_time, cn, part = FRAME.key_tuple(frames, clash.row)
        assert isinstance(key_time, datetime)
        key: dict[str, object] = {"cn": cn, "part": part}
        if clash.holder >= 0:
            existing = _frame_in_batch(batch, frames, clash.holder)
        else:
            existing = _frame_in_table(cursor, (device_key, key_time, cn, part))
        offered = _frame_in_batch(batch, frames, clash.row)
        offered["readings"] = _readings_of(batch.readings, int(frames.item[clash.row]), codes)
        found.append(
            Conflict(
                FRAME.name,
                _subject(cursor, FRAME, device_key),
                key_time,
                key | existing,
                key | offered,
                int(frames.item[clash.row]),
            )
        )
    return found


def insert_conflicts(cursor: Any, conflicts: Sequence[Conflict], batch: Batch) -> None:
    """Append them to the `conflict` table, each with the place of the item that offered it."""
    if not conflicts:
        return
    cursor.executemany(
        "INSERT INTO conflict (kind, subject, key_time, existing, offered, stream_key, partition,"
        " kafka_offset, item) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                c.kind, c.subject, c.key_time, Jsonb(c.existing), Jsonb(c.offered), record.stream_key,
                record.partition, record.kafka_offset, int(batch.items.number[c.item]),
            )
            for c in conflicts
            for record in (batch.records[batch.items.record[c.item]],)
        ],
    )  # fmt: skip


def _frame_in_batch(batch: Batch, frames: FrameRows, row: int) -> dict[str, object]:
    record = batch.records[frames.record[row]]
    start = int(frames.byte_offset[row])
    body = record.body[start : start + int(frames.length[row])]
    return _frame(
        frames.sha256[row].tobytes(), from_microseconds(frames.received[row]), record.stream_key,
        record.partition, record.kafka_offset, start, body,
    )  # fmt: skip


def _frame_in_table(cursor: Any, key: tuple[object, ...]) -> dict[str, object]:
    # the raw record may be past its retention: the hash still tells the two apart
    cursor.execute(
        "SELECT f.sha256, f.received_at, f.stream_key, f.partition, f.kafka_offset, f.byte_offset,"
        " (SELECT substring(r.body FROM f.byte_offset + 1 FOR f.length) FROM raw_record r"
        "  WHERE r.stream_key = f.stream_key AND r.partition = f.partition"
        "  AND r.kafka_offset = f.kafka_offset)"
        " FROM frame f WHERE device_key = %s AND key_time = %s AND cn = %s AND part = %s",
        key,
    )
    return _frame(*cursor.fetchone())


def _frame(
    sha256: bytes, received_at: datetime, stream_key: int, partition: int, kafka_offset: int,
    byte_offset: int, body: bytes | None,
) -> dict[str, object]:  # fmt: skip
    text = None if body is None else body.decode("utf-8", errors="backslashreplace").replace("\0", "\\0")
    return {
        "sha256": sha256.hex(), "received_at": received_at.isoformat(), "stream_key": stream_key,
        "partition": partition, "kafka_offset": kafka_offset, "byte_offset": byte_offset, "frame": text,
    }  # fmt: skip


def _readings_of(readings: ReadingRows, item: int, codes: Mapping[int, str]) -> list[dict[str, object]]:
    return [
        _name(dict(zip(READING.key, READING.key_tuple(readings, row), strict=True)), codes)
        | dict(zip(READING.values, READING.value_tuple(readings, row), strict=True))
        for row in np.flatnonzero(readings.item == item).tolist()
    ]


def _name(key: Mapping[str, Any], codes: Mapping[int, str]) -> dict[str, object]:
    """Keys as people know them; the subject and the time have columns of their own."""
    named: dict[str, object] = {}
    for column, value in key.items():
        if column == "factor_key":
            named["factor"] = codes[value]
        elif column == "interval_key":
            named["interval"] = _INTERVALS.get(value, str(value))
        elif not column.endswith("_key") and column != "time":
            named[column] = value
    return named


def _factor_codes(cursor: Any) -> dict[int, str]:
    cursor.execute("SELECT factor_key, code FROM factor")
    return dict(cursor.fetchall())


def _subject(cursor: Any, table: StreamTable[Any], key: object) -> str:
    cursor.execute(table.subject, (key,))
    row = cursor.fetchone()
    return str(row[0]) if row else ""
