"""The streams as arrays and frames: what detectors, services and the evidence screen read.

Periods are `[start, end)`, aware times. Ids the registry does not hold have no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.clock import INTERVAL_KEYS, Interval
from domain.registry import GateId, MeterId, OutletId
from storage.binary_copy import Structured, read_rows
from storage.connection import Connection
from storage.errors import UnknownSubject
from storage.registry import factor_keys, meter_keys, outlet_keys

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_READING = np.dtype(
    [
        ("outlet_key", "i4"), ("factor_key", "i2"), ("time", "M8[us]"), ("avg", "f8"), ("min", "f8"),
        ("max", "f8"), ("converted_avg", "f8"), ("total", "f8"), ("flag", "S4"),
    ]
)  # fmt: skip
# flags as bytes: four of them whatever the letters, padded with the NUL that an S4 array drops
_READINGS = """
SELECT outlet_key, factor_key, time, coalesce(avg, 'NaN'), coalesce(min, 'NaN'), coalesce(max, 'NaN'),
       coalesce(converted_avg, 'NaN'), coalesce(total, 'NaN'),
       substring(convert_to(coalesce(flag, ''), 'UTF8') || '\\x00000000' FROM 1 FOR 4)
FROM reading
WHERE outlet_key = ANY(%(outlets)s) AND factor_key = ANY(%(factors)s) AND interval_key = %(interval)s
  AND time >= %(start)s AND time < %(end)s
ORDER BY outlet_key, factor_key, time
"""
_POWERED = np.dtype([("meter_key", "i4"), ("time", "M8[us]"), ("kw", "f8"), ("kwh", "f8")])
_POWER = """
SELECT meter_key, time, coalesce(kw, 'NaN'), coalesce(kwh, 'NaN') FROM power
WHERE meter_key = ANY(%(meters)s) AND time >= %(start)s AND time < %(end)s
ORDER BY meter_key, time
"""
_PASSAGES = """
SELECT gate_id, time, direction, plate, plate_color, stage, fuel, cargo, tonnes
FROM passage JOIN gate USING (gate_key)
WHERE gate_id = ANY(%s) AND time >= %s AND time < %s
ORDER BY gate_id, time, plate, direction
"""
_FRAMES = """
SELECT mn, key_time, cn, part, received_at, host(peer), payload_hash, sha256, crc_kind, f.edition, problems,
       readings, length
FROM frame f JOIN device USING (device_key)
WHERE mn = %s AND key_time >= %s AND key_time < %s
ORDER BY key_time, cn, part
"""
_RAW_FRAME = """
SELECT substring(r.body FROM f.byte_offset + 1 FOR f.length)
FROM frame f JOIN device d USING (device_key)
LEFT JOIN raw_record r USING (stream_key, partition, kafka_offset)
WHERE d.mn = %s AND f.key_time = %s AND f.cn = %s AND f.part = %s
"""

_UTC = pl.Datetime("us", "UTC")
_PASSAGE_SCHEMA: dict[str, Any] = {
    "gate_id": pl.String, "time": _UTC, "direction": pl.String, "plate": pl.String, "plate_color": pl.String,
    "stage": pl.String, "fuel": pl.String, "cargo": pl.String, "tonnes": pl.Float64,
}  # fmt: skip
_FRAME_SCHEMA: dict[str, Any] = {
    "mn": pl.String, "key_time": _UTC, "cn": pl.Int16, "part": pl.Int16, "received_at": _UTC,
    "peer": pl.String, "payload_hash": pl.Int64, "sha256": pl.Binary, "crc_kind": pl.Int16,
    "edition": pl.Int16, "problems": pl.Int16, "readings": pl.Int16, "length": pl.Int32,
}  # fmt: skip


@dataclass(frozen=True)
class ReadingTable:
    """Readings of one kind of interval as columns; series by series, by time inside one.

    Row i belongs to `outlet_ids[outlet[i]]` and to the factor `factor_codes[factor_key[i]]`. Times int64 µs
    since 1970 UTC, the start of the interval. Units of domain/data/factors.toml; absent numbers NaN,
    an absent flag empty.
    """

    outlet_ids: tuple[OutletId, ...]
    factor_codes: Mapping[int, str]
    outlet: Int32s
    factor_key: npt.NDArray[np.int16]
    time_us: Int64s
    avg: Floats
    min: Floats
    max: Floats
    converted_avg: Floats
    total: Floats
    flag: npt.NDArray[np.bytes_]  # S4, as the device sent it

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True)
class PowerTable:
    """Power as columns, meter by meter, by time inside one; row i belongs to `meter_ids[meter[i]]`."""

    meter_ids: tuple[MeterId, ...]
    meter: Int32s
    time_us: Int64s
    kw: Floats
    kwh: Floats

    def __len__(self) -> int:
        return len(self.time_us)


def readings(
    connection: Connection,
    outlet_ids: Sequence[OutletId],
    interval: Interval,
    start: datetime,
    end: datetime,
    factors: Sequence[str] | None = None,
) -> ReadingTable:
    """Readings of these outlets that start in `[start, end)`; `factors` None: of every factor."""
    keys = factor_keys(connection)
    if factors is not None:
        keys = {code: keys[code] for code in factors if code in keys}
    places, index = _places(outlet_ids, outlet_keys(connection))
    rows = read_rows(
        connection, _READINGS,
        {"outlets": places.tolist(), "factors": list(keys.values()), "interval": INTERVAL_KEYS[interval],
         "start": start, "end": end}, _READING,
    )  # fmt: skip
    return ReadingTable(
        outlet_ids=tuple(outlet_ids),
        factor_codes={key: code for code, key in keys.items()},
        outlet=index[np.searchsorted(places, rows["outlet_key"])],
        factor_key=np.ascontiguousarray(rows["factor_key"]),
        time_us=_microseconds(rows),
        avg=np.ascontiguousarray(rows["avg"]),
        min=np.ascontiguousarray(rows["min"]),
        max=np.ascontiguousarray(rows["max"]),
        converted_avg=np.ascontiguousarray(rows["converted_avg"]),
        total=np.ascontiguousarray(rows["total"]),
        flag=np.ascontiguousarray(rows["flag"]),
    )


def power(connection: Connection, meter_ids: Sequence[MeterId], start: datetime, end: datetime) -> PowerTable:
    """Power of these meters in `[start, end)`: mean kW and kWh of each interval, NaN where absent."""
    places, index = _places(meter_ids, meter_keys(connection))
    rows = read_rows(connection, _POWER, {"meters": places.tolist(), "start": start, "end": end}, _POWERED)
    return PowerTable(
        meter_ids=tuple(meter_ids),
        meter=index[np.searchsorted(places, rows["meter_key"])],
        time_us=_microseconds(rows),
        kw=np.ascontiguousarray(rows["kw"]),
        kwh=np.ascontiguousarray(rows["kwh"]),
    )


def passages(
    connection: Connection, gate_ids: Sequence[GateId], start: datetime, end: datetime
) -> pl.DataFrame:
    """Passages of these gates with the columns of the bundle's table, by gate and time (UTC)."""
    rows = connection.execute(_PASSAGES, (list(gate_ids), start, end)).fetchall()
    return pl.DataFrame(rows, _PASSAGE_SCHEMA, orient="row")


def frames(connection: Connection, mn: str, start: datetime, end: datetime) -> pl.DataFrame:
    """The packets of one device by their own time: when received, from where, hash, CRC verdict (CrcKind)."""
    rows = connection.execute(_FRAMES, (mn, start, end)).fetchall()
    return pl.DataFrame(rows, _FRAME_SCHEMA, orient="row")


def raw_frame(connection: Connection, mn: str, key_time: datetime, cn: int, part: int = 0) -> bytes:
    """The bytes of one packet as received. Raises UnknownSubject when it or its raw record is not there."""
    row = connection.execute(_RAW_FRAME, (mn, key_time, cn, part)).fetchone()
    if row is None or row[0] is None:
        missing = "frame" if row is None else "raw record of the frame"
        raise UnknownSubject(f"no {missing} MN={mn} CN={cn} part {part} at {key_time.isoformat()}")
    body: bytes = row[0]
    return body


def latest_event_time(connection: Connection) -> datetime | None:
    """The newest time any stream has told of, as its writer noted it; None before the first record."""
    row = connection.execute("SELECT max(event_time) FROM ingest_offset").fetchone()
    return None if row is None else row[0]


def _places(ids: Sequence[str], keys: Mapping[Any, int]) -> tuple[Int64s, Int32s]:
    """Keys in ascending order, and for each the index of its id in `ids`."""
    known = sorted((keys[name], i) for i, name in enumerate(ids) if name in keys)
    return (
        np.array([key for key, _ in known], np.int64),
        np.array([i for _, i in known], np.int32),
    )


def _microseconds(rows: Structured) -> Int64s:
    times: Int64s = rows["time"].astype(np.int64)
    return times
