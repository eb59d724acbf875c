"""What the simulated world sends: dense arrays per outlet, meter and gate, cut to any period.

Times are int64 µs since 1970 UTC, the start of the interval. A condition MISSING means no row at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.clock import Interval, to_microseconds
from domain.registry import FactorCode, MeterId, OutletId, SiteId

Floats = npt.NDArray[np.float64]
Conditions = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Block:
    """Readings of one outlet at one interval: planes of shape (factors, intervals).

    `condition` holds domain.standards.CONDITION_CODES; `present[i]` False: interval i was never sent.
    Absent numbers are NaN. Units: domain/data/factors.toml.
    """

    interval: Interval
    start_us: int
    step_us: int
    factors: tuple[FactorCode, ...]
    avg: Floats
    min: Floats
    max: Floats
    converted_avg: Floats
    total: Floats
    condition: Conditions
    present: npt.NDArray[np.bool_]

    @property
    def size(self) -> int:
        return int(self.avg.shape[1])

    def times_us(self) -> npt.NDArray[np.int64]:
        return self.start_us + self.step_us * np.arange(self.size, dtype=np.int64)

    def row(self, factor: str) -> int:
        return self.factors.index(FactorCode(factor))

    def cut(self, start_us: int, end_us: int) -> Block:
        """The intervals that begin in `[start_us, end_us)`."""
        first = min(max(-((self.start_us - start_us) // self.step_us), 0), self.size)
        last = min(max(-((self.start_us - end_us) // self.step_us), first), self.size)
        return replace(
            self,
            start_us=self.start_us + first * self.step_us,
            avg=self.avg[:, first:last],
            min=self.min[:, first:last],
            max=self.max[:, first:last],
            converted_avg=self.converted_avg[:, first:last],
            total=self.total[:, first:last],
            condition=self.condition[:, first:last],
            present=self.present[first:last],
        )


@dataclass(frozen=True)
class OutletStream:
    outlet_id: OutletId
    minutes: Block
    hours: Block


@dataclass(frozen=True)
class PowerStream:
    """Mean kW of each interval; its energy is kW x hours."""

    meter_id: MeterId
    start_us: int
    step_us: int
    kw: Floats

    def times_us(self) -> npt.NDArray[np.int64]:
        return self.start_us + self.step_us * np.arange(self.kw.size, dtype=np.int64)

    def kwh(self) -> Floats:
        return np.round(self.kw * (self.step_us / 3.6e9), 3)

    def cut(self, start_us: int, end_us: int) -> PowerStream:
        first = min(max(-((self.start_us - start_us) // self.step_us), 0), self.kw.size)
        last = min(max(-((self.start_us - end_us) // self.step_us), first), self.kw.size)
        return replace(self, start_us=self.start_us + first * self.step_us, kw=self.kw[first:last])


@dataclass(frozen=True)
class SiteStreams:
    """`passages`: columns of the bundle's table, time as UTC datetime, sorted."""

    site_id: SiteId
    outlets: tuple[OutletStream, ...]
    power: tuple[PowerStream, ...]
    passages: pl.DataFrame

    def cut(self, start: datetime, end: datetime) -> SiteStreams:
        """What begins in `[start, end)`, aware times."""
        bounds = to_microseconds(start), to_microseconds(end)
        return SiteStreams(
            self.site_id,
            tuple(
                OutletStream(o.outlet_id, o.minutes.cut(*bounds), o.hours.cut(*bounds)) for o in self.outlets
            ),
            tuple(meter.cut(*bounds) for meter in self.power),
            self.passages.filter((pl.col("time") >= start) & (pl.col("time") < end)),
        )


@dataclass(frozen=True)
class Streams:
    sites: tuple[SiteStreams, ...]

    def outlets(self) -> Iterator[OutletStream]:
        for site in self.sites:
            yield from site.outlets

    def outlet(self, outlet_id: str) -> OutletStream:
        """Raises KeyError."""
        for outlet in self.outlets():
            if outlet.outlet_id == outlet_id:
                return outlet
        raise KeyError(outlet_id)

    def meter(self, meter_id: str) -> PowerStream:
        """Raises KeyError."""
        for site in self.sites:
            for meter in site.power:
                if meter.meter_id == meter_id:
                    return meter
        raise KeyError(meter_id)

    def cut(self, start: datetime, end: datetime) -> Streams:
        return Streams(tuple(site.cut(start, end) for site in self.sites))
