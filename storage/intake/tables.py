"""The four stream tables: how their rows are copied in, what makes two rows the same, what a row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from domain.clock import from_microseconds
from storage import binary_copy as copy
from storage.intake.rows import Batch, FrameRows, PassageRows, PowerRows, ReadingRows, Rows

R = TypeVar("R", bound=Rows)


@dataclass(frozen=True)
class StreamTable(Generic[R]):
    """`key` and `values` name columns of both the table and the rows; `bind` adds what the batch knows.

    Two rows of one key are the same when their `values` are: NULL equals NULL, an empty text equals NULL.
    """

    name: str
    subject: str  # query for the id people know by the first column of the key
    key: Mapping[str, Callable[[Any], copy.Column]]
    values: Mapping[str, Callable[[Any], copy.Column]]
    time: str

    def key_columns(self, rows: R) -> dict[str, copy.Column]:
        return {name: column(getattr(rows, name)) for name, column in self.key.items()}

    def value_columns(self, rows: R) -> dict[str, copy.Column]:
        return {name: column(getattr(rows, name)) for name, column in self.values.items()}

    def key_array(self, rows: R) -> npt.NDArray[np.void]:
        """The keys as one structured array, for comparing."""
        return _structured([getattr(rows, name) for name in self.key])

    def value_tuple(self, rows: R, row: int) -> tuple[object, ...]:
        """What row `row` says, as psycopg would read it back; NULL and empty text are None."""
        return tuple(_plain(getattr(rows, name)[row]) for name in self.values)

    def key_tuple(self, rows: R, row: int) -> tuple[object, ...]:
        return tuple(
            from_microseconds(getattr(rows, name)[row]) if name == self.time
            else _plain(getattr(rows, name)[row])
            for name in self.key
        )  # fmt: skip


FRAME: StreamTable[FrameRows] = StreamTable(
    name="frame",
    subject="SELECT mn FROM device WHERE device_key = %s",
    key={"device_key": copy.int4, "key_time": copy.timestamptz, "cn": copy.int2, "part": copy.int2},
    values={"payload_hash": copy.int8},
    time="key_time",
)

READING: StreamTable[ReadingRows] = StreamTable(
    name="reading",
    subject="SELECT outlet_id FROM outlet WHERE outlet_key = %s",
    key={
        "outlet_key": copy.int4, "factor_key": copy.int2, "interval_key": copy.int2,
        "time": copy.timestamptz,
    },
    values={
        "avg": copy.nullable_float8, "min": copy.nullable_float8, "max": copy.nullable_float8,
        "converted_avg": copy.nullable_float8, "total": copy.nullable_float8, "flag": copy.nullable_text,
    },
    time="time",
)  # fmt: skip

POWER: StreamTable[PowerRows] = StreamTable(
    name="power",
    subject="SELECT meter_id FROM meter WHERE meter_key = %s",
    key={"meter_key": copy.int4, "time": copy.timestamptz},
    values={"kw": copy.nullable_float8, "kwh": copy.nullable_float8},
    time="time",
)

PASSAGE: StreamTable[PassageRows] = StreamTable(
    name="passage",
    subject="SELECT gate_id FROM gate WHERE gate_key = %s",
    key={"gate_key": copy.int4, "time": copy.timestamptz, "plate": copy.text, "direction": copy.text},
    values={
        "plate_color": copy.nullable_text, "stage": copy.nullable_text, "fuel": copy.nullable_text,
        "cargo": copy.nullable_text, "tonnes": copy.nullable_float8,
    },
    time="time",
)  # fmt: skip


def copy_frames(cursor: Any, rows: FrameRows, batch: Batch) -> None:
    """Frames carry beside key and hash where they came from and how they were read."""
    if not len(rows):
        return
    records = batch.records
    origin = {
        "received_at": copy.timestamptz(rows.received),
        "sha256": copy.bytea(rows.sha256),
        "crc_kind": copy.int2(rows.crc_kind),
        "edition": copy.int2(rows.edition),
        "problems": copy.int2(rows.problems),
        "readings": copy.int2(rows.readings),
        "peer": copy.inet(batch.peers, rows.peer),
        "stream_key": copy.int4(np.array([r.stream_key for r in records], np.int32)[rows.record]),
        "partition": copy.int2(np.array([r.partition for r in records], np.int16)[rows.record]),
        "kafka_offset": copy.int8(np.array([r.kafka_offset for r in records], np.int64)[rows.record]),
        "byte_offset": copy.int4(rows.byte_offset),
        "length": copy.int4(rows.length),
    }
    copy.copy_rows(cursor, "frame", FRAME.key_columns(rows) | FRAME.value_columns(rows) | origin)


def copy_values(cursor: Any, table: StreamTable[R], rows: R) -> None:
    """Readings, power and passages are nothing but key and values."""
    if len(rows):
        copy.copy_rows(cursor, table.name, table.key_columns(rows) | table.value_columns(rows))


def copy_records(cursor: Any, batch: Batch) -> None:
    """The Kafka records as consumed."""
    records = batch.records
    copy.copy_rows(
        cursor,
        "raw_record",
        {
            "stream_key": copy.int4(np.array([r.stream_key for r in records], np.int32)),
            "partition": copy.int2(np.array([r.partition for r in records], np.int16)),
            "kafka_offset": copy.int8(np.array([r.kafka_offset for r in records], np.int64)),
            "received_at": copy.timestamptz(np.array([r.received_us for r in records], np.int64)),
            "items": copy.int4(np.array([r.items for r in records], np.int32)),
            "body": copy.bytea([r.body for r in records]),
        },
    )


def _structured(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.void]:
    array = np.empty(len(columns[0]), [(f"f{i}", c.dtype) for i, c in enumerate(columns)])
    for i, column in enumerate(columns):
        array[f"f{i}"] = column
    return array


def _plain(value: Any) -> object:
    plain = value.item()
    if isinstance(plain, float):
        return None if plain != plain else plain
    if isinstance(plain, bytes):
        return plain.decode() or None
    return plain
