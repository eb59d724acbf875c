"""The clock of the simulated world: ten-minute steps from an origin on a full hour.

Ten minutes is what HJ 212 devices in practice send as minute data. Everything is indexed by step; times are
int64 µs since 1970 UTC, local means Asia/Shanghai.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from domain.clock import (
    MICROSECONDS_PER_HOUR,
    MICROSECONDS_PER_MINUTE,
    SHANGHAI,
    from_microseconds,
    to_microseconds,
)
from simulators.errors import SimulationError

STEP_MINUTES = 10
STEP_US = STEP_MINUTES * MICROSECONDS_PER_MINUTE
STEPS_PER_HOUR = 60 // STEP_MINUTES
STEPS_PER_DAY = 24 * STEPS_PER_HOUR


@dataclass(frozen=True)
class Timeline:
    """Steps of `[origin, origin + hours)`; the origin is a full hour, so hours and steps nest."""

    origin_us: int
    hours: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Timeline:
        """Aware times. Raises SimulationError when the start is not a full hour or the span is empty."""
        origin_us = to_microseconds(start)
        if origin_us % MICROSECONDS_PER_HOUR:
            raise SimulationError(f"a simulation starts on a full hour, not at {start.isoformat()}")
        hours = -((origin_us - to_microseconds(end)) // MICROSECONDS_PER_HOUR)
        if hours <= 0:
            raise SimulationError(f"nothing lies between {start.isoformat()} and {end.isoformat()}")
        return cls(origin_us, int(hours))

    @property
    def size(self) -> int:
        return self.hours * STEPS_PER_HOUR

    def step_of(self, time: datetime) -> int:
        """The step that holds an aware time; before the origin it is negative."""
        return (to_microseconds(time) - self.origin_us) // STEP_US

    def time(self, step: int) -> datetime:
        """Start of a step, aware UTC."""
        return from_microseconds(self.origin_us + step * STEP_US)

    def span(self, start: datetime, end: datetime) -> slice:
        """The steps of `[start, end)`, cut to the timeline."""
        first = min(max(self.step_of(start), 0), self.size)
        return slice(first, min(max(self.step_of(end), first), self.size))

    def times_us(self) -> npt.NDArray[np.int64]:
        return self.origin_us + STEP_US * np.arange(self.size, dtype=np.int64)

    def hour_of_day(self) -> npt.NDArray[np.float64]:
        """Local hour of each step, 0 to below 24."""
        return self._local_minutes() % 1440 / 60.0

    def weekday(self) -> npt.NDArray[np.int64]:
        """Local day of the week of each step, Monday 0."""
        return (self._local_minutes() // 1440 + 3) % 7  # 1970-01-01 was a Thursday

    def day_of_year(self) -> npt.NDArray[np.float64]:
        """Days since the last turn of the year, for seasons only: a year of 365.2425 days."""
        return self._local_minutes() / 1440 % 365.2425

    def _local_minutes(self) -> npt.NDArray[np.int64]:
        offset = SHANGHAI.utcoffset(None) // timedelta(minutes=1)
        return self.times_us() // MICROSECONDS_PER_MINUTE + offset
