"""Hour means as HJ 75-2017 counts them: the plant's own hour rows, else the means of its valid minutes.

One hour grid for every factor of an outlet, so that concentrations meet their oxygen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.window import Conditions, Floats, Grid, Series, Window
from domain.clock import (
    MICROSECONDS_PER_HOUR,
    MICROSECONDS_PER_MINUTE,
    VALID_MINUTES_PER_HOUR,
    Interval,
    to_microseconds,
)
from domain.registry import FactorCode, OutletId
from domain.standards import CONDITION_CODES, Condition

#: Conditions whose values are measurements of the running source: captured by HJ 75, and worth averaging.
MEASURED = (Condition.VALID, Condition.OVER_RANGE)


def codes_of(conditions: tuple[Condition, ...]) -> Conditions:
    """Condition codes for `numpy.isin`."""
    return np.array([CONDITION_CODES[c] for c in conditions], np.uint8)


def is_measured(series: Series) -> npt.NDArray[np.bool_]:
    """True where an interval holds a measurement of the running source."""
    return np.isin(series.condition, codes_of(MEASURED))


def hour_grid(window: Window) -> Grid:
    """The whole clock hours inside the window; equal to the grid of its hour rows."""
    start, end = to_microseconds(window.start), to_microseconds(window.end)
    first = -(-start // MICROSECONDS_PER_HOUR) * MICROSECONDS_PER_HOUR
    return Grid(first, MICROSECONDS_PER_HOUR, max(0, -(-(end - first) // MICROSECONDS_PER_HOUR)))


def hours_of(window: Window, outlet_id: OutletId, factor: FactorCode) -> Series | None:
    """Hour series of a factor: hour rows, else means of minute rows, else of realtime rows; None without any.

    A derived hour is VALID with at least 45 valid minutes (an n-minute interval counts n), else it takes the
    commonest condition of its intervals; its total is the sum.
    """
    own = window.series.get((outlet_id, factor, Interval.HOUR))
    if own is not None:
        return on_hours(own, hour_grid(window))
    for interval in (Interval.MINUTE, Interval.REALTIME):
        finer = window.series.get((outlet_id, factor, interval))
        if finer is not None and finer.grid.step_us <= MICROSECONDS_PER_HOUR:
            return _hours_from(finer, hour_grid(window))
    return None


def on_hours(series: Series, hours: Grid) -> Series:
    """An hour series moved to another grid of hours: cut where it sticks out, missing where it is short."""
    if series.grid == hours:
        return series
    shift = (hours.start_us - series.grid.start_us) // MICROSECONDS_PER_HOUR
    index = np.arange(hours.size) + shift
    there = (index >= 0) & (index < series.grid.size)

    def moved(values: Floats) -> Floats:
        out = np.full(hours.size, np.nan)
        out[there] = values[index[there]]
        return out

    condition = np.full(hours.size, CONDITION_CODES[Condition.MISSING], np.uint8)
    condition[there] = series.condition[index[there]]
    return Series(
        hours,
        avg=moved(series.avg),
        min=moved(series.min),
        max=moved(series.max),
        converted_avg=moved(series.converted_avg),
        total=moved(series.total),
        condition=condition,
    )


def _hours_from(series: Series, hours: Grid) -> Series:
    hour = hour_of_interval(series.grid, hours)
    inside = (hour >= 0) & (hour < hours.size)
    measured = is_measured(series) & inside
    minutes = measured_minutes(series, hours)
    valid = minutes >= VALID_MINUTES_PER_HOUR
    condition = _commonest(series.condition[inside], hour[inside], hours.size)
    condition[valid] = CONDITION_CODES[Condition.VALID]
    downgraded = ~valid & (condition == CONDITION_CODES[Condition.VALID])
    condition[downgraded] = CONDITION_CODES[Condition.MISSING]  # too few minutes for a valid hour
    return Series(
        hours,
        avg=mean_by_hour(series.avg, measured, hour, hours.size),
        min=_extreme(np.fmin(series.min, series.avg), measured, hour, hours.size, np.fmin),
        max=_extreme(np.fmax(series.max, series.avg), measured, hour, hours.size, np.fmax),
        converted_avg=mean_by_hour(series.converted_avg, measured, hour, hours.size),
        total=_sum(series.total, inside, hour, hours.size),
        condition=condition,
    )


def hour_of_interval(grid: Grid, hours: Grid) -> npt.NDArray[np.int64]:
    """Index of the clock hour each interval starts in (may lie outside the grid of hours)."""
    starts = grid.start_us + np.arange(grid.size, dtype=np.int64) * grid.step_us
    return np.asarray((starts - hours.start_us) // hours.step_us, np.int64)


def measured_minutes(series: Series, hours: Grid) -> Floats:
    """Valid minutes of each hour: every measured interval counts its length."""
    hour = hour_of_interval(series.grid, hours)
    keep = is_measured(series) & (hour >= 0) & (hour < hours.size)
    counts: Floats = np.bincount(hour[keep], minlength=hours.size).astype(np.float64)
    return counts * (series.grid.step_us / MICROSECONDS_PER_MINUTE)


def mean_by_hour(
    values: Floats, keep: npt.NDArray[np.bool_], hour: npt.NDArray[np.int64], size: int
) -> Floats:
    """Mean of the kept values of each hour, NaN where none is."""
    keep = keep & ~np.isnan(values)
    sums = np.bincount(hour[keep], weights=values[keep], minlength=size)
    counts = np.bincount(hour[keep], minlength=size)
    means: Floats = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return means


def _sum(values: Floats, keep: npt.NDArray[np.bool_], hour: npt.NDArray[np.int64], size: int) -> Floats:
    return mean_by_hour(values, keep, hour, size) * np.bincount(
        hour[keep & ~np.isnan(values)], minlength=size
    )


def _extreme(
    values: Floats, keep: npt.NDArray[np.bool_], hour: npt.NDArray[np.int64], size: int, best: np.ufunc
) -> Floats:
    out = np.full(size, np.nan)
    best.at(out, hour[keep], values[keep])
    return out


def _commonest(condition: Conditions, hour: npt.NDArray[np.int64], size: int) -> Conditions:
    kinds = len(CONDITION_CODES)
    counts = np.bincount(hour * kinds + condition, minlength=size * kinds).reshape(size, kinds)
    commonest: Conditions = counts.argmax(axis=1).astype(np.uint8)
    commonest[counts.sum(axis=1) == 0] = CONDITION_CODES[Condition.MISSING]
    return commonest
