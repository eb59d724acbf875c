"""What the console shows: streams of a site around an interval, raw frames, capture rates, freshness.

All times aware UTC, half-open `[start, end)`. Frames have one row per point, already thinned to buckets where
the caller asks for fewer points than there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from psycopg.rows import class_row

from storage.connection import Connection

_UTC = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class OutletRow:
    outlet_id: str
    name: str
    source_type: str
    reference_o2_percent: float | None
    flag_dictionary: str
    mns: list[str]


@dataclass(frozen=True)
class MeterRow:
    meter_id: str
    role: str
    line: str
    rated_kw: float | None
    outlet_id: str | None


@dataclass(frozen=True)
class SiteRow:
    site_id: str
    name: str
    industry: str
    region_code: str
    grade: str
    outlets: int
    clues: int


@dataclass(frozen=True)
class LimitRow:
    factor: str
    limit_mg_m3: float
    basis: str


@dataclass(frozen=True)
class MarkRow:
    starts_at: datetime
    ends_at: datetime
    kind: str
    entered_at: datetime | None


@dataclass(frozen=True)
class AlertRow:
    level: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class FrameRow:
    """A raw frame; `raw` is what the device sent, byte for byte (it may hold a PW: mask before showing)."""

    received_at: datetime
    key_time: datetime
    mn: str
    cn: int
    crc_kind: int
    problems: int
    sha256: bytes
    peer: str
    raw: bytes


@dataclass(frozen=True)
class CaptureRow:
    site_id: str
    site_name: str
    region_code: str
    outlet_id: str
    outlet_name: str
    factor: str
    quarter: str
    calendar_hours: int
    elapsed_hours: int
    stopped_hours: int
    valid_hours: int
    invalid_hours: int
    unbelieved_hours: int
    rate: float | None
    rate_believed: float | None
    best_possible: float | None
    lost_by_cause: dict[str, int]


@dataclass(frozen=True)
class SparkRequest:
    """One small picture: hourly means of a factor of an outlet, or kW of the site's meters of a role."""

    key: int
    site_id: str
    outlet_id: str | None
    factor: str | None
    meter_role: str
    start: datetime
    end: datetime


def sites(connection: Connection, scope: Sequence[str]) -> list[SiteRow]:
    """Sites in the regions, with how many outlets they have and clues that wait."""
    with connection.cursor(row_factory=class_row(SiteRow)) as cursor:
        cursor.execute(
            "SELECT s.site_id, s.name, s.industry, s.region_code, s.grade,"
            " (SELECT count(*)::integer FROM outlet o WHERE o.site_id = s.site_id) AS outlets,"
            " (SELECT count(*)::integer FROM clue c WHERE c.site_id = s.site_id"
            "   AND c.state IN ('new', 'weak', 'watching')) AS clues"
            " FROM site s WHERE s.region_code LIKE ANY(%s) ORDER BY clues DESC, s.name",
            [list(scope)],
        )
        return cursor.fetchall()


def regions(connection: Connection, scope: Sequence[str]) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT region_code FROM site WHERE region_code LIKE ANY(%s) ORDER BY region_code",
        [list(scope)],
    ).fetchall()
    return [row[0] for row in rows]


def outlets(connection: Connection, site_id: str) -> list[OutletRow]:
    with connection.cursor(row_factory=class_row(OutletRow)) as cursor:
        cursor.execute(
            "SELECT o.outlet_id, o.name, o.source_type, o.reference_o2_percent, o.flag_dictionary,"
            " ARRAY(SELECT d.mn FROM device d WHERE d.outlet_id = o.outlet_id ORDER BY d.mn) AS mns"
            " FROM outlet o WHERE o.site_id = %s ORDER BY o.outlet_id",
            [site_id],
        )
        return cursor.fetchall()


def meters(connection: Connection, site_id: str) -> list[MeterRow]:
    with connection.cursor(row_factory=class_row(MeterRow)) as cursor:
        cursor.execute(
            "SELECT meter_id, role, line, rated_kw, outlet_id FROM meter"
            " WHERE site_id = %s ORDER BY meter_id",
            [site_id],
        )
        return cursor.fetchall()


def limits(connection: Connection, outlet_id: str, at: datetime) -> list[LimitRow]:
    """Hour limits in force at a time."""
    with connection.cursor(row_factory=class_row(LimitRow)) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (factor) factor, limit_mg_m3, basis FROM outlet_limit"
            " WHERE outlet_id = %s AND averaging = 'hour' AND valid_from <= %s AND %s < valid_to"
            " ORDER BY factor, valid_from DESC",
            [outlet_id, at, at],
        )
        return cursor.fetchall()


def marks(connection: Connection, outlet_id: str, start: datetime, end: datetime) -> list[MarkRow]:
    with connection.cursor(row_factory=class_row(MarkRow)) as cursor:
        cursor.execute(
            "SELECT starts_at, ends_at, kind, entered_at FROM mark"
            " WHERE outlet_id = %s AND starts_at < %s AND ends_at > %s ORDER BY starts_at",
            [outlet_id, end, start],
        )
        return cursor.fetchall()


def alerts(connection: Connection, site_id: str, start: datetime, end: datetime) -> list[AlertRow]:
    """重污染预警 of the site's region."""
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        cursor.execute(
            "SELECT a.level, a.starts_at, a.ends_at FROM alert a JOIN site s USING (region_code)"
            " WHERE s.site_id = %s AND a.starts_at < %s AND a.ends_at > %s ORDER BY a.starts_at",
            [site_id, end, start],
        )
        return cursor.fetchall()


def readings(
    connection: Connection, outlet_id: str, interval_key: int, start: datetime, end: datetime
) -> pl.DataFrame:
    """Columns factor, time, avg, converted_avg, flag; every factor of the outlet at one interval."""
    rows = connection.execute(
        "SELECT f.code, r.time, r.avg, r.converted_avg, coalesce(r.flag, '') FROM reading r"
        " JOIN outlet o USING (outlet_key) JOIN factor f USING (factor_key)"
        " WHERE o.outlet_id = %s AND r.interval_key = %s AND r.time >= %s AND r.time < %s"
        " ORDER BY f.factor_key, r.time",
        [outlet_id, interval_key, start, end],
    ).fetchall()
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "factor": pl.String,
        "time": _UTC,
        "avg": pl.Float64,
        "converted_avg": pl.Float64,
        "flag": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def power(
    connection: Connection, site_id: str, start: datetime, end: datetime, bucket: timedelta
) -> pl.DataFrame:
    """Columns meter_id, time, kw: mean power of the site's meters in each bucket."""
    rows = connection.execute(
        "SELECT m.meter_id, date_bin(%s, p.time, %s) AS bucket, avg(p.kw) FROM power p"
        " JOIN meter m USING (meter_key)"
        " WHERE m.site_id = %s AND p.time >= %s AND p.time < %s"
        " GROUP BY m.meter_id, bucket ORDER BY m.meter_id, bucket",
        [bucket, start, site_id, start, end],
    ).fetchall()
    return pl.DataFrame(rows, schema={"meter_id": pl.String, "time": _UTC, "kw": pl.Float64}, orient="row")


def passages(
    connection: Connection, site_id: str, start: datetime, end: datetime, limit: int
) -> pl.DataFrame:
    """Columns time, gate, direction, plate, stage, fuel, cargo, tonnes; plates in clear: mask to show."""
    rows = connection.execute(
        "SELECT p.time, g.name, p.direction, p.plate, p.stage, p.fuel, p.cargo, p.tonnes FROM passage p"
        " JOIN gate g USING (gate_key) WHERE g.site_id = %s AND p.time >= %s AND p.time < %s"
        " ORDER BY p.time LIMIT %s",
        [site_id, start, end, limit],
    ).fetchall()
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "time": _UTC, "gate": pl.String, "direction": pl.String, "plate": pl.String, "stage": pl.String,
        "fuel": pl.String, "cargo": pl.String, "tonnes": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def has_readings(
    connection: Connection, outlet_id: str, interval_key: int, start: datetime, end: datetime
) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM reading r JOIN outlet o USING (outlet_key)"
        " WHERE o.outlet_id = %s AND r.interval_key = %s AND r.time >= %s AND r.time < %s)",
        [outlet_id, interval_key, start, end],
    ).fetchone()
    return bool(row and row[0])


def frames(
    connection: Connection, outlet_id: str, start: datetime, end: datetime, limit: int
) -> list[FrameRow]:
    """Raw frames about an interval, in the order of their own time."""
    with connection.cursor(row_factory=class_row(FrameRow)) as cursor:
        cursor.execute(
            "SELECT f.received_at, f.key_time, d.mn, f.cn, f.crc_kind, f.problems, f.sha256,"
            " host(f.peer) AS peer, substring(r.body FROM f.byte_offset + 1 FOR f.length) AS raw"
            " FROM frame f JOIN device d USING (device_key)"
            " JOIN raw_record r USING (stream_key, partition, kafka_offset)"
            " WHERE d.outlet_id = %s AND f.key_time >= %s AND f.key_time < %s"
            " ORDER BY f.key_time, f.cn LIMIT %s",
            [outlet_id, start, end, limit],
        )
        return cursor.fetchall()


def capture_rates(connection: Connection, quarter: str, scope: Sequence[str]) -> list[CaptureRow]:
    """Every outlet and factor of a quarter in the regions."""
    with connection.cursor(row_factory=class_row(CaptureRow)) as cursor:
        cursor.execute(
            "SELECT s.site_id, s.name AS site_name, s.region_code, o.outlet_id, o.name AS outlet_name,"
            " c.factor,"
            " c.quarter, c.calendar_hours, c.elapsed_hours, c.stopped_hours, c.valid_hours, c.invalid_hours,"
            " c.unbelieved_hours, c.rate, c.rate_believed, c.best_possible, c.lost_by_cause"
            " FROM capture_rate c JOIN outlet o USING (outlet_id) JOIN site s USING (site_id)"
            " WHERE c.quarter = %s AND s.region_code LIKE ANY(%s) ORDER BY o.outlet_id, c.factor",
            [quarter, list(scope)],
        )
        return cursor.fetchall()


def capture_quarters(connection: Connection) -> list[str]:
    """Quarters with capture rates, newest first."""
    rows = connection.execute("SELECT DISTINCT quarter FROM capture_rate ORDER BY quarter DESC").fetchall()
    return [row[0] for row in rows]


def hour_flags(
    connection: Connection, outlet_id: str, factor: str, start: datetime, end: datetime
) -> pl.DataFrame:
    """Columns time, flag of the hour readings of one factor."""
    rows = connection.execute(
        "SELECT r.time, coalesce(r.flag, '') FROM reading r JOIN outlet o USING (outlet_key)"
        " JOIN factor f USING (factor_key) WHERE o.outlet_id = %s AND f.code = %s AND r.interval_key = 2"
        " AND r.time >= %s AND r.time < %s ORDER BY r.time",
        [outlet_id, factor, start, end],
    ).fetchall()
    return pl.DataFrame(rows, schema={"time": _UTC, "flag": pl.String}, orient="row")


def freshness(connection: Connection) -> datetime | None:
    """The newest event time the writer has stored, None before the first."""
    row = connection.execute("SELECT max(event_time) FROM ingest_offset").fetchone()
    return row[0] if row else None


def sparks(connection: Connection, requests: Sequence[SparkRequest], points: int) -> dict[int, list[float]]:
    """Small pictures by request key: at most `points` means each, oldest first; absent without data."""
    pictures: dict[int, list[float]] = {}
    by_factor = [r for r in requests if r.outlet_id and r.factor]
    by_power = [r for r in requests if not (r.outlet_id and r.factor)]
    if by_factor:
        pictures |= _collect(
            connection,
            "SELECT q.key, width_bucket(extract(epoch FROM r.time), q.t0, q.t1, %s) AS bucket, avg(r.avg)"
            " FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
            "   AS p (key, outlet_id, factor, start, stop)"
            " CROSS JOIN LATERAL (SELECT p.key, extract(epoch FROM p.start) AS t0,"
            "   extract(epoch FROM p.stop) AS t1) q"
            " JOIN outlet o ON o.outlet_id = p.outlet_id JOIN factor f ON f.code = p.factor"
            " JOIN reading r ON r.outlet_key = o.outlet_key AND r.factor_key = f.factor_key"
            "   AND r.interval_key = 2 AND r.time >= p.start AND r.time < p.stop"
            " GROUP BY q.key, bucket ORDER BY q.key, bucket",
            [points, [r.key for r in by_factor], [r.outlet_id for r in by_factor],
             [r.factor for r in by_factor], [r.start for r in by_factor], [r.end for r in by_factor]],
        )  # fmt: skip
    if by_power:
        pictures |= _collect(
            connection,
            "SELECT q.key, width_bucket(extract(epoch FROM w.time), q.t0, q.t1, %s) AS bucket, avg(w.kw)"
            " FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
            "   AS p (key, site_id, role, start, stop)"
            " CROSS JOIN LATERAL (SELECT p.key, extract(epoch FROM p.start) AS t0,"
            "   extract(epoch FROM p.stop) AS t1) q"
            " JOIN meter m ON m.site_id = p.site_id AND m.role = p.role"
            " JOIN power w ON w.meter_key = m.meter_key AND w.time >= p.start AND w.time < p.stop"
            " GROUP BY q.key, bucket ORDER BY q.key, bucket",
            [points, [r.key for r in by_power], [r.site_id for r in by_power],
             [r.meter_role for r in by_power], [r.start for r in by_power], [r.end for r in by_power]],
        )  # fmt: skip
    return pictures


def _collect(connection: Connection, query: str, parameters: list[object]) -> dict[int, list[float]]:
    pictures: dict[int, list[float]] = {}
    for key, _, value in connection.execute(query.encode(), parameters):
        if value is not None:
            pictures.setdefault(key, []).append(float(value))
    return pictures
