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
from psycopg.rows import TupleRow

from domain.clock import INTERVAL_KEYS, Interval
from domain.registry import GateId, MeterId, OutletId
from storage.binary_copy import POSTGRES_EPOCH_US
from storage.connection import Connection
from storage.errors import UnknownSubject
from storage.registry import factor_keys, meter_keys, outlet_keys

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

# A series comes as one row: its columns as the concatenated wire form of their values (the types' own send
# functions). A million rows a second, three times as fast as row by row.
# Flags as bytes: four of them whatever the letters, padded with the NUL that an S4 array drops.
_READINGS = """
SELECT outlet_key, factor_key,
       string_agg(timestamptz_send(time), '' ORDER BY time),
       string_agg(float8send(coalesce(avg, 'NaN')), '' ORDER BY time),
       string_agg(float8send(coalesce(min, 'NaN')), '' ORDER BY time),
       string_agg(float8send(coalesce(max, 'NaN')), '' ORDER BY time),
       string_agg(float8send(coalesce(converted_avg, 'NaN')), '' ORDER BY time),
       string_agg(float8send(coalesce(total, 'NaN')), '' ORDER BY time),
       string_agg(substring(convert_to(coalesce(flag, ''), 'UTF8') || '\\x00000000' FROM 1 FOR 4), ''
                  ORDER BY time)
FROM reading
WHERE outlet_key = ANY(%(outlets)s) AND factor_key = ANY(%(factors)s) AND interval_key = %(interval)s
  AND time >= %(start)s AND time < %(end)s
GROUP BY outlet_key, factor_key ORDER BY outlet_key, factor_key
"""
_POWER = """
SELECT meter_key,
       string_agg(timestamptz_send(time), '' ORDER BY time),
       string_agg(float8send(coalesce(kw, 'NaN')), '' ORDER BY time),
       string_agg(float8send(coalesce(kwh, 'NaN')), '' ORDER BY time)
FROM power
WHERE meter_key = ANY(%(meters)s) AND time >= %(start)s AND time < %(end)s
GROUP BY meter_key ORDER BY meter_key
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
    known = outlet_keys(connection)
    places = {known[outlet]: i for i, outlet in enumerate(outlet_ids) if outlet in known}
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(
            _READINGS,
            {"outlets": list(places), "factors": list(keys.values()), "interval": INTERVAL_KEYS[interval],
             "start": start, "end": end},
        ).fetchall()  # fmt: skip
    sizes = [len(row[2]) // 8 for row in found]
    return ReadingTable(
        outlet_ids=tuple(outlet_ids),
        factor_codes={key: code for code, key in keys.items()},
        outlet=np.repeat(np.array([places[row[0]] for row in found], np.int32), sizes),
        factor_key=np.repeat(np.array([row[1] for row in found], np.int16), sizes),
        time_us=_times(found, 2),
        avg=_floats(found, 3),
        min=_floats(found, 4),
        max=_floats(found, 5),
        converted_avg=_floats(found, 6),
        total=_floats(found, 7),
        flag=np.frombuffer(_joined(found, 8), "S4"),
    )


def power(connection: Connection, meter_ids: Sequence[MeterId], start: datetime, end: datetime) -> PowerTable:
    """Power of these meters in `[start, end)`: mean kW and kWh of each interval, NaN where absent."""
    known = meter_keys(connection)
    places = {known[meter]: i for i, meter in enumerate(meter_ids) if meter in known}
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(_POWER, {"meters": list(places), "start": start, "end": end}).fetchall()
    sizes = [len(row[1]) // 8 for row in found]
    return PowerTable(
        meter_ids=tuple(meter_ids),
        meter=np.repeat(np.array([places[row[0]] for row in found], np.int32), sizes),
        time_us=_times(found, 1),
        kw=_floats(found, 2),
        kwh=_floats(found, 3),
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


def _joined(series: Sequence[TupleRow], column: int) -> bytes:
    return b"".join(row[column] for row in series)


def _floats(series: Sequence[TupleRow], column: int) -> Floats:
    return np.frombuffer(_joined(series, column), ">f8").astype(np.float64)


def _times(series: Sequence[TupleRow], column: int) -> Int64s:
    return np.frombuffer(_joined(series, column), ">i8").astype(np.int64) + POSTGRES_EPOCH_US
