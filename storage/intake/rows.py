"""What one transaction of the writer stores, as columns. Times are int64 µs since 1970 UTC, NaN is NULL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Self, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from storage.intake.offsets import Advance

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
Int8s = npt.NDArray[np.int8]
UInt8s = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.bytes_]


class Outcome(IntEnum):
    """What became of an item; the four add up to what came in (guarantee G3)."""

    STORED = 0
    DUPLICATE = 1
    CONFLICT = 2
    DEAD_LETTER = 3


class Stream(IntEnum):
    """What an item is. FRAME_READING is not an item: it counts the readings inside frames."""

    FRAME = 0
    READING = 1
    POWER = 2
    PASSAGE = 3
    REFUSED = 4  # a dead letter that came over its topic, or a record nobody can read
    FRAME_READING = 5


class Rows:
    """Columns of equal length; `item` is the number in the batch of the item a row came from."""

    item: Int32s

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: npt.NDArray[Any]) -> Self:
        """The rows a mask or an index array picks."""
        return type(self)(**{name: values[rows] for name, values in self._columns()})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """All parts in the order of their items, so that of the rows of one key the first came first."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.none()
        if len(parts) == 1:
            return parts[0]
        columns = [dict(part._columns()) for part in parts]
        joined = cls(**{name: np.concatenate([c[name] for c in columns]) for name in columns[0]})
        return joined.take(np.argsort(joined.item, kind="stable"))

    @classmethod
    def none(cls) -> Self:
        """No rows, with the types of the columns."""
        columns = {}
        for name, hint in get_type_hints(cls).items():
            (scalar,) = get_args(get_args(hint)[1])
            columns[name] = np.empty((0, 32) if name == "sha256" else 0, scalar)
        return cls(**columns)

    def _columns(self) -> list[tuple[str, npt.NDArray[Any]]]:
        return [(f.name, getattr(self, f.name)) for f in fields(self)]  # type: ignore[arg-type]


@dataclass(frozen=True)
class FrameRows(Rows):
    item: Int32s
    device_key: Int32s
    key_time: Int64s
    cn: Int16s
    part: Int16s
    received: Int64s
    payload_hash: Int64s
    sha256: UInt8s  # (n, 32)
    crc_kind: Int16s
    edition: Int16s
    problems: Int16s
    readings: Int16s  # reading rows it brings; 0 while its device may not be used
    peer: Int32s  # index into Batch.peers
    record: Int32s  # index into Batch.records
    byte_offset: Int32s
    length: Int32s


@dataclass(frozen=True)
class ReadingRows(Rows):
    item: Int32s
    outlet_key: Int32s
    factor_key: Int16s
    interval_key: Int16s
    time: Int64s
    avg: Floats
    min: Floats
    max: Floats
    converted_avg: Floats
    total: Floats
    flag: Texts


@dataclass(frozen=True)
class PowerRows(Rows):
    item: Int32s
    meter_key: Int32s
    time: Int64s
    kw: Floats
    kwh: Floats


@dataclass(frozen=True)
class PassageRows(Rows):
    """Absent texts are empty."""

    item: Int32s
    gate_key: Int32s
    time: Int64s
    direction: Texts
    plate: Texts
    plate_color: Texts
    stage: Texts
    fuel: Texts
    cargo: Texts
    tonnes: Floats


@dataclass(frozen=True)
class RawRecord:
    """A Kafka record as consumed; `items` counts what it holds, 1 when it cannot be read."""

    topic: str
    stream_key: int
    partition: int
    kafka_offset: int
    received_us: int
    items: int
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """An item that becomes a dead letter; `topic` is where replaying puts `body` back."""

    item: int
    topic: str
    received_us: int
    peer: str
    subject: str
    stage: str
    reason: str
    detail: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Items:
    """Every item of the batch, in the order consumed."""

    record: Int32s  # index into Batch.records
    number: Int32s  # position inside its record
    stream: Int8s  # Stream
    subject: tuple[str, ...]  # MN, outlet, meter or gate; '' when it cannot be told


@dataclass(frozen=True)
class Batch:
    """One transaction. `idle_devices` lists devices whose frames are kept but not used, as known when the
    batch was made: a device approved since makes the batch stale.
    """

    advances: tuple[Advance, ...]
    records: tuple[RawRecord, ...]
    items: Items
    peers: tuple[str, ...]
    frames: FrameRows
    readings: ReadingRows
    power: PowerRows
    passages: PassageRows
    refusals: tuple[Refusal, ...]
    idle_devices: tuple[int, ...]
