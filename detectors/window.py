"""What a rule sees: one site over one period, as dense arrays. No database, no files.

Grids: index i of a series is the interval that starts at `start + i * step`. A missing interval is NaN in
every value and MISSING in `condition`. Times inside arrays are int64 µs since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.clock import Interval, from_microseconds
from domain.registry import FactorCode, MeterId, OutletId, Registry, SiteId
from domain.standards import factors

Floats = npt.NDArray[np.float64]
Conditions = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Equal intervals from `start_us`, each `step_us` long."""

    start_us: int
    step_us: int
    size: int

    def time(self, index: int) -> datetime:
        """Start of interval `index` (its end is `time(index + 1)`), aware UTC."""
        return from_microseconds(self.start_us + index * self.step_us)

    @property
    def step(self) -> timedelta:
        return timedelta(microseconds=self.step_us)


@dataclass(frozen=True)
class Series:
    """One factor at one outlet over one kind of interval; units of domain/data/factors.toml.

    `condition` holds `domain.standards.CONDITION_CODES`, already read through the flag dictionary of the
    source, so a rule never sees letters.
    """

    grid: Grid
    avg: Floats
    min: Floats
    max: Floats
    converted_avg: Floats
    total: Floats
    condition: Conditions


@dataclass(frozen=True)
class PowerSeries:
    """One meter: mean kW and energy kWh of each interval."""

    grid: Grid
    kw: Floats
    kwh: Floats


SeriesKey = tuple[OutletId, FactorCode, Interval]


@dataclass(frozen=True)
class Window:
    """One site over `[start, end)`, aware UTC. `known_until` is how far data can have come in: intervals
    after it are not missing, they lie ahead (a running quarter).

    `passages` has the columns of the bundle's `passages` table, time as UTC datetime.
    """

    site_id: SiteId
    start: datetime
    end: datetime
    known_until: datetime
    registry: Registry
    series: Mapping[SeriesKey, Series]
    power: Mapping[MeterId, PowerSeries]
    passages: pl.DataFrame

    def series_of(self, outlet_id: OutletId, interval: Interval) -> dict[FactorCode, Series]:
        """The factors of one outlet at one interval."""
        return {f: s for (o, f, i), s in self.series.items() if o == outlet_id and i == interval}

    def pollutants_of(self, outlet_id: OutletId) -> list[FactorCode]:
        """Factors of kind pollutant the outlet has rows of, by code."""
        known = factors()
        present = {factor for (outlet, factor, _) in self.series if outlet == outlet_id}
        return sorted(factor for factor in present if factor in known and known[factor].kind == "pollutant")
