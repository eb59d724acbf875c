"""Clocks of HJ 75 and HJ 212: one zone, interval starts, valid hours, quarters.

Inside the product a time is an aware UTC `datetime` or, in arrays, int64 microseconds since 1970 UTC.
Devices, files and people use Asia/Shanghai, which is UTC+8 without summer time since 1992.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

MICROSECONDS_PER_MINUTE = 60_000_000
MICROSECONDS_PER_HOUR = 3_600_000_000

#: HJ 212-2017 Annex D eq. 24 and HJ 75-2017: an hour mean needs at least 45 valid minutes.
VALID_MINUTES_PER_HOUR = 45


class Interval(StrEnum):
    """What a reading covers. A reading's time is the **start** of its interval (HJ 212-2017 table 4)."""

    REALTIME = "realtime"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


#: Stored as smallint; the order is part of the storage contract.
INTERVAL_KEYS: dict[Interval, int] = {
    Interval.REALTIME: 0,
    Interval.MINUTE: 1,
    Interval.HOUR: 2,
    Interval.DAY: 3,
}


@dataclass(frozen=True, order=True)
class Quarter:
    """A calendar quarter in Asia/Shanghai, the accounting period of the capture rate (HJ 75-2017 §12.1.3)."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 4:
            raise ValueError(f"a quarter is 1 to 4, not {self.number}")

    @property
    def start(self) -> datetime:
        """First instant, aware UTC."""
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=SHANGHAI).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """First instant after the quarter, aware UTC."""
        return self.next().start

    @property
    def hours(self) -> int:
        """Calendar hours of the quarter: 2160, 2184 or 2208."""
        return int((self.end - self.start) / timedelta(hours=1))

    def next(self) -> Quarter:
        return Quarter(self.year + 1, 1) if self.number == 4 else Quarter(self.year, self.number + 1)

    def previous(self) -> Quarter:
        return Quarter(self.year - 1, 4) if self.number == 1 else Quarter(self.year, self.number - 1)

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read `2026Q3`. Raises ValueError with the offending text."""
        year, separator, number = text.upper().partition("Q")
        if not (separator and year.isdigit() and number.isdigit()):
            raise ValueError(f"not a quarter: {text!r}, write it as 2026Q3")
        return cls(int(year), int(number))

    @classmethod
    def of(cls, time: datetime) -> Quarter:
        """The quarter that holds an aware time."""
        local = in_shanghai(time)
        return cls(local.year, (local.month - 1) // 3 + 1)


def in_shanghai(time: datetime) -> datetime:
    """An aware time on the clock people read. Raises ValueError on a naive time."""
    if time.tzinfo is None:
        raise ValueError(f"time without zone: {time.isoformat()}")
    return time.astimezone(SHANGHAI)


def as_utc(time: datetime) -> datetime:
    """UTC; a naive time is Asia/Shanghai, as in bundles and frames."""
    return (time.replace(tzinfo=SHANGHAI) if time.tzinfo is None else time).astimezone(UTC)


def to_microseconds(time: datetime) -> int:
    """Aware time to int64 microseconds since 1970 UTC, exactly."""
    if time.tzinfo is None:
        raise ValueError(f"time without zone: {time.isoformat()}")
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """int64 microseconds since 1970 UTC to an aware UTC time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))


def floor_hour(time: datetime) -> datetime:
    """Start of the clock hour that holds an aware time (UTC and Shanghai hours coincide)."""
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def shanghai_day(time: datetime) -> date:
    """The calendar day in Asia/Shanghai that holds an aware time."""
    return in_shanghai(time).date()
