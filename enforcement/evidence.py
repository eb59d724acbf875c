"""The streams around a clue, ready to draw on one time axis. Reads only; checks the right to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from domain.clock import INTERVAL_KEYS, Interval
from domain.standards import Condition, flag_dictionary
from enforcement import people as accounts
from enforcement.errors import NoSuchClue
from enforcement.rights import Actor, Right
from storage import console_reads as reads
from storage.clues import FindingRow, QueueRow
from storage.connection import Connection
from storage.console_reads import (
    AlertRow,
    FrameRow,
    LimitRow,
    MarkRow,
    MeterRow,
    OutletRow,
    SiteRow,
    SparkRequest,
)

#: Minute data up to this span, hour data beyond: no trace has more than 2,000 points.
MINUTE_SPAN = timedelta(hours=33)
SPARK_POINTS = 40
_PW = re.compile(rb"(PW=)[^;&]*")
_SMALLEST_PAD, _LARGEST_PAD = timedelta(hours=12), timedelta(days=7)
_LONG = timedelta(days=30)


@dataclass(frozen=True)
class Run:
    """A stretch of one condition (see domain.standards.Condition), `[start, end)`."""

    start: datetime
    end: datetime
    condition: Condition


@dataclass(frozen=True)
class Streams:
    """Everything of one outlet and its site over `[start, end)`.

    `readings`: factor, time, avg, converted_avg, flag on a full grid (gaps are null rows, flag null);
    `power`: meter_id, time, kw; `passages`: time, gate, direction, plate (masked), stage, fuel, cargo,
    tonnes.
    """

    outlet: OutletRow
    start: datetime
    end: datetime
    interval: Interval
    readings: pl.DataFrame
    power: pl.DataFrame
    meters: tuple[MeterRow, ...]
    limits: tuple[LimitRow, ...]
    marks: tuple[MarkRow, ...]
    alerts: tuple[AlertRow, ...]
    passages: pl.DataFrame
    quality: tuple[Run, ...]


@dataclass(frozen=True)
class Source:
    """The interval a replay was copied from."""

    outlet_id: str
    factor: str
    start: datetime
    end: datetime


def window_around(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The interval with half its length on each side, at least 12 hours and at most 7 days.

    An interval of weeks (the account of a quarter) needs no surroundings.
    """
    if end - start > _LONG:
        return start, end
    pad = min(max((end - start) / 2, _SMALLEST_PAD), _LARGEST_PAD)
    return start - pad, end + pad


def source_of(finding: FindingRow) -> Source | None:
    """Where a replay was copied from: `source_start`, `source_end`, `source_outlet` of the evidence."""
    given = finding.evidence
    members = given.get("members") or [{}]
    factor = finding.factor or members[0].get("factor")
    outlet_id = given.get("source_outlet") or finding.outlet_id
    if not factor or not outlet_id or "source_start" not in given or "source_end" not in given:
        return None
    start, end = (datetime.fromisoformat(str(given[key])) for key in ("source_start", "source_end"))
    return Source(str(outlet_id), str(factor), start, end)


def outlets(connection: Connection, actor: Actor, site_id: str) -> list[OutletRow]:
    """The outlets of a site. Raises NotAllowed, NoSuchClue when the site is out of scope."""
    person = _reader(connection, actor)
    if site_id not in {s.site_id for s in reads.sites(connection, person.region_patterns)}:
        raise NoSuchClue(f"there is no site {site_id} in your regions")
    return reads.outlets(connection, site_id)


def sites(connection: Connection, actor: Actor) -> list[SiteRow]:
    return reads.sites(connection, _reader(connection, actor).region_patterns)


def regions(connection: Connection, actor: Actor) -> list[str]:
    return reads.regions(connection, _reader(connection, actor).region_patterns)


def freshness(connection: Connection) -> datetime | None:
    """Event time of the newest stored data."""
    return reads.freshness(connection)


def streams(
    connection: Connection, actor: Actor, site_id: str, outlet_id: str, start: datetime, end: datetime
) -> Streams:
    """Read one outlet and its site's meters, gates, marks. Raises NotAllowed, NoSuchClue."""
    known = {o.outlet_id: o for o in outlets(connection, actor, site_id)}
    if outlet_id not in known:
        raise NoSuchClue(f"site {site_id} has no outlet {outlet_id}")
    outlet = known[outlet_id]
    interval = _interval(connection, outlet_id, start, end)
    step = timedelta(minutes=1) if interval is Interval.MINUTE else timedelta(hours=1)
    readings = reads.readings(connection, outlet_id, INTERVAL_KEYS[interval], start, end)
    newest = reads.freshness(connection)
    known_until = end if newest is None else max(start, min(end, newest))
    return Streams(
        outlet=outlet,
        start=start,
        end=end,
        interval=interval,
        readings=on_grid(readings, start, end, step),
        power=reads.power(connection, site_id, start, end, _bucket(end - start)),
        meters=tuple(reads.meters(connection, site_id)),
        limits=tuple(reads.limits(connection, outlet_id, start)),
        marks=tuple(reads.marks(connection, outlet_id, start, end)),
        alerts=tuple(reads.alerts(connection, site_id, start, end)),
        passages=_masked(reads.passages(connection, site_id, start, end, 2_000)),
        quality=quality_runs(readings, outlet.flag_dictionary, start, known_until, step),
    )


def frames(
    connection: Connection, actor: Actor, site_id: str, outlet_id: str, start: datetime, end: datetime,
    limit: int = 200,
) -> list[FrameRow]:  # fmt: skip
    """Raw frames of an interval with the password field blanked; the hash is of the bytes as received."""
    if outlet_id not in {o.outlet_id for o in outlets(connection, actor, site_id)}:
        raise NoSuchClue(f"site {site_id} has no outlet {outlet_id}")
    return [
        FrameRow(
            f.received_at, f.key_time, f.mn, f.cn, f.crc_kind, f.problems, bytes(f.sha256), f.peer,
            _PW.sub(rb"\1******", bytes(f.raw)),
        )
        for f in reads.frames(connection, outlet_id, start, end, limit)
    ]  # fmt: skip


def pictures(connection: Connection, rows: Sequence[QueueRow]) -> dict[int, list[float]]:
    """The decisive stream around each clue's leading finding, for a sparkline; by clue id.

    The stream is the finding's factor; without one, treatment power for a bypass, else production power.
    """
    requests = []
    for row in rows:
        start, end = window_around(row.finding_starts_at, row.finding_ends_at)
        role = "treatment" if row.rule.startswith("bypass.") else "production"
        requests.append(SparkRequest(row.clue_id, row.site_id, row.outlet_id, row.factor, role, start, end))
    return reads.sparks(connection, requests, SPARK_POINTS)


def on_grid(readings: pl.DataFrame, start: datetime, end: datetime, step: timedelta) -> pl.DataFrame:
    """Every factor on every interval; absent ones are null, so that a line breaks there."""
    if readings.is_empty():
        return readings
    grid = pl.DataFrame(
        {"time": pl.datetime_range(start, end, step, closed="left", time_unit="us", eager=True)}
    )
    # a range that starts off the grid of the data would match nothing
    offset = readings["time"].min()
    if isinstance(offset, datetime):
        shift = (offset - start) % step
        grid = grid.select(pl.col("time") + shift)
    factors = readings.select("factor").unique(maintain_order=True)
    return factors.join(grid, how="cross").join(readings, on=["factor", "time"], how="left")


def quality_runs(
    readings: pl.DataFrame, dictionary_id: str, start: datetime, end: datetime, step: timedelta
) -> tuple[Run, ...]:
    """What the outlet delivered: the condition most of its factors carry in an interval, or missing."""
    dictionary = flag_dictionary(dictionary_id)
    by_time: dict[datetime, str] = {}
    if not readings.is_empty():
        counted = (
            readings.group_by("time", "flag")
            .len()
            .sort("time", "len", "flag", descending=[False, True, False])
        )
        for time, flag, _ in counted.iter_rows():
            by_time.setdefault(time, flag)
    first = min(by_time, default=start)
    time = start + (first - start) % step
    runs: list[Run] = []
    while time < end:
        flag = by_time.get(time)
        condition = Condition.MISSING if flag is None else dictionary.condition(flag)
        if runs and runs[-1].condition is condition:
            runs[-1] = Run(runs[-1].start, time + step, condition)
        else:
            runs.append(Run(time, time + step, condition))
        time += step
    return tuple(runs)


def mask_plate(plate: str) -> str:
    """鄂D12345 -> 鄂D1***5: enough to tell two trucks of a gate apart, not to find their owner."""
    return plate if len(plate) < 4 else plate[:3] + "*" * (len(plate) - 4) + plate[-1]


def _masked(passages: pl.DataFrame) -> pl.DataFrame:
    return passages.with_columns(pl.col("plate").map_elements(mask_plate, return_dtype=pl.String))


def _reader(connection: Connection, actor: Actor) -> Actor:
    person = accounts.current(connection, actor.login)
    person.role_for(Right.READ)
    return person


def _interval(connection: Connection, outlet_id: str, start: datetime, end: datetime) -> Interval:
    """The finest interval that is stored and stays under 2,000 points."""
    minute, hour = INTERVAL_KEYS[Interval.MINUTE], INTERVAL_KEYS[Interval.HOUR]
    fits = end - start <= MINUTE_SPAN
    if fits and reads.has_readings(connection, outlet_id, minute, start, end):
        return Interval.MINUTE
    if not fits or reads.has_readings(connection, outlet_id, hour, start, end):
        return Interval.HOUR
    return Interval.MINUTE


def _bucket(span: timedelta) -> timedelta:
    """Bucket of power that gives at most 2,000 points."""
    for minutes in (1, 5, 15):
        if span <= timedelta(minutes=2_000 * minutes):
            return timedelta(minutes=minutes)
    return timedelta(hours=1)
