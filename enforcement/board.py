"""The capture-rate board: outlets of a quarter, worst first, with what can still be lost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from domain.clock import Quarter, shanghai_day
from domain.standards import Condition, flag_dictionary
from enforcement import people as accounts
from enforcement.rights import Actor, Right
from storage import console_reads as reads
from storage.connection import Connection
from storage.console_reads import CaptureRow

#: 有效数据捕集率 below this is a breach (HJ 75-2017 §12.1.3).
REQUIRED_RATE = 0.75


@dataclass(frozen=True)
class OutletCapture:
    """One outlet in one quarter; `worst` is the factor with the lowest believed rate."""

    worst: CaptureRow
    factors: tuple[CaptureRow, ...]

    @property
    def rate(self) -> float | None:
        return believed(self.worst)


@dataclass(frozen=True)
class Day:
    """Hours of one Shanghai day lost to each condition; `valid` and `stopped` are not lost."""

    day: date
    valid: int
    stopped: int
    lost: dict[Condition, int]


def quarters(connection: Connection, actor: Actor) -> list[str]:
    """Quarters with figures, newest first. Raises NotAllowed."""
    _reader(connection, actor)
    return reads.capture_quarters(connection)


def board(connection: Connection, actor: Actor, quarter: str) -> list[OutletCapture]:
    """Outlets of a quarter in the person's regions, worst first; outlets that never ran last."""
    return ranked(reads.capture_rates(connection, quarter, _reader(connection, actor).region_patterns))


def ranked(rows: Sequence[CaptureRow]) -> list[OutletCapture]:
    by_outlet: dict[str, list[CaptureRow]] = defaultdict(list)
    for row in rows:
        by_outlet[row.outlet_id].append(row)
    outlets = [
        OutletCapture(min(factors, key=_order), tuple(sorted(factors, key=lambda f: f.factor)))
        for factors in by_outlet.values()
    ]
    return sorted(outlets, key=lambda o: (_order(o.worst), o.worst.outlet_id))


def believed(row: CaptureRow) -> float | None:
    """The rate that counts: without stops nobody believes, where that was worked out."""
    return row.rate if row.rate_believed is None else row.rate_believed


def hours_left_to_lose(row: CaptureRow) -> int | None:
    """How many more hours may be lost with 75 % still reached, None when the quarter is over.

    Every hour to come is taken as running. Negative: 75 % can no longer be reached, by so many hours.
    """
    if row.elapsed_hours >= row.calendar_hours:
        return None
    running = row.calendar_hours - row.stopped_hours + row.unbelieved_hours
    needed = math.ceil(REQUIRED_RATE * running)
    return running - needed - row.invalid_hours - row.unbelieved_hours


def days(connection: Connection, actor: Actor, row: CaptureRow, now: datetime) -> list[Day]:
    """The quarter day by day from the hour readings of one outlet and factor, up to `now`."""
    _reader(connection, actor)
    quarter = Quarter.parse(row.quarter)
    site_outlets = {o.outlet_id: o for o in reads.outlets(connection, row.site_id)}
    end = min(quarter.end, quarter.start + timedelta(hours=row.elapsed_hours), now)
    flags = reads.hour_flags(connection, row.outlet_id, row.factor, quarter.start, end)
    return by_day(flags, site_outlets[row.outlet_id].flag_dictionary, quarter.start, end)


def by_day(flags: pl.DataFrame, dictionary_id: str, start: datetime, end: datetime) -> list[Day]:
    """Count conditions per Shanghai day; an hour without a row is missing. `flags`: time, flag."""
    dictionary = flag_dictionary(dictionary_id)
    conditions = {time: dictionary.condition(flag) for time, flag in flags.iter_rows()}
    counts: dict[date, dict[Condition, int]] = defaultdict(lambda: defaultdict(int))
    hour = start.astimezone(UTC)
    while hour < end:
        counts[shanghai_day(hour)][conditions.get(hour, Condition.MISSING)] += 1
        hour += timedelta(hours=1)
    captured = (Condition.VALID, Condition.OVER_RANGE)
    return [
        Day(
            day,
            sum(counted.get(c, 0) for c in captured),
            counted.get(Condition.STOPPED, 0),
            {c: n for c, n in counted.items() if c not in captured and c is not Condition.STOPPED},
        )
        for day, counted in sorted(counts.items())
    ]


def _order(row: CaptureRow) -> float:
    rate = believed(row)
    return math.inf if rate is None else rate


def _reader(connection: Connection, actor: Actor) -> Actor:
    person = accounts.current(connection, actor.login)
    person.role_for(Right.READ)
    return person
