"""Small honest plants as windows: AR(1) series on an instrument's grid, meters, flags; and seeded variety."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from detectors.window import Floats, Grid, PowerSeries, Series, SeriesKey, Window
from domain.clock import Interval, to_microseconds
from domain.registry import FactorCode, Meter, MeterId, MeterRole, Outlet, OutletId, Registry, Site, SiteId
from domain.standards import CONDITION_CODES, Condition

START = datetime(2026, 6, 30, 16, tzinfo=UTC)  # 1 July in Shanghai
SITE = SiteId("S1")
STACK = OutletId("S1-A")
SECOND_STACK = OutletId("S1-B")

SO2, NOX, PM = FactorCode("a21026"), FactorCode("a21002"), FactorCode("a34013")
O2, VELOCITY, TEMPERATURE = FactorCode("a19001"), FactorCode("a01011"), FactorCode("a01012")

HOURS_A_QUARTER = 2160


def ar1(rng: np.random.Generator, size: int, phi: float) -> Floats:
    noise = rng.standard_normal(size) * np.sqrt(1 - phi * phi)
    out = np.empty(size)
    level = rng.standard_normal()
    for i in range(size):
        level = phi * level + noise[i]
        out[i] = level
    return out


def reading(
    rng: np.random.Generator,
    size: int = HOURS_A_QUARTER,
    *,
    mean: float = 30.0,
    sd: float = 3.0,
    phi: float = 0.9,
    resolution: float = 0.1,
) -> Floats:
    """An honest channel on its decimal grid, never below zero."""
    values = np.maximum(mean + sd * ar1(rng, size, phi), 0.0)
    decimals = max(0, round(-np.log10(resolution)))
    return np.round(np.round(values / resolution) * resolution, decimals)


def series(values: Floats, minutes: int = 60, flags: npt.NDArray[np.uint8] | None = None) -> Series:
    grid = Grid(to_microseconds(START), minutes * 60_000_000, values.size)
    nothing = np.full(values.size, np.nan)
    missing = np.isnan(values)
    condition = np.where(missing, CONDITION_CODES[Condition.MISSING], CONDITION_CODES[Condition.VALID])
    return Series(
        grid, values, nothing, nothing, nothing, nothing,
        (condition if flags is None else flags).astype(np.uint8),
    )  # fmt: skip


def meter(
    kw: Floats, minutes: int, role: MeterRole, *, name: str, line: str = "1", outlet: OutletId | None = None
) -> tuple[Meter, PowerSeries]:
    grid = Grid(to_microseconds(START), minutes * 60_000_000, kw.size)
    return Meter(MeterId(name), SITE, role, line, None, outlet), PowerSeries(grid, kw, kw * minutes / 60)


def window(
    readings: Mapping[tuple[OutletId, FactorCode], Series],
    meters: tuple[tuple[Meter, PowerSeries], ...] = (),
    outlets: tuple[OutletId, ...] = (STACK,),
    registry: Registry | None = None,
) -> Window:
    """A window of one site that ends with its longest series."""
    ends = [s.grid.start_us + s.grid.size * s.grid.step_us for s in readings.values()]
    ends += [p.grid.start_us + p.grid.size * p.grid.step_us for _, p in meters]
    end = START + timedelta(microseconds=max(ends) - to_microseconds(START))
    keyed: dict[SeriesKey, Series] = {
        (o, f, Interval.HOUR if s.grid.step_us == 3_600_000_000 else Interval.MINUTE): s
        for (o, f), s in readings.items()
    }
    registry = registry or Registry()
    return Window(
        SITE,
        START,
        end,
        end,
        Registry(
            sites=(Site(SITE, "示例厂"),),
            outlets=tuple(Outlet(o, SITE, f"{o}号排口") for o in outlets),
            meters=tuple(m for m, _ in meters),
            marks=registry.marks,
        ),
        keyed,
        {m.meter_id: p for m, p in meters},
        pl.DataFrame(),
    )
