"""Rows to dense arrays: the step of a stream, its grid, and one scatter per outlet and interval.

Rows may come in any order and twice: within one interval the row with the latest time wins, and between rows
of the same time the one that sorts last by its values, so that the order of arrival never shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from detectors.window import Conditions, Floats, Grid, PowerSeries, Series, SeriesKey, Window
from domain.clock import MICROSECONDS_PER_HOUR, MICROSECONDS_PER_MINUTE, Interval, to_microseconds
from domain.registry import FactorCode, MeterId, OutletId, Registry, SiteId
from domain.standards import CONDITION_CODES, Condition, flag_dictionary

Times = npt.NDArray[np.int64]

VALUE_COLUMNS = ("avg", "min", "max", "converted_avg", "total")

SECOND = 1_000_000
DAY = 24 * MICROSECONDS_PER_HOUR
#: Days begin at midnight in Shanghai, 16:00 UTC.
DAY_PHASE = 16 * MICROSECONDS_PER_HOUR
_SECONDS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30)
_MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
#: Steps a stream may have: what divides an hour, and a day for slow meters.
MINUTE_STEPS = np.array([m * MICROSECONDS_PER_MINUTE for m in _MINUTES], np.int64)
FREE_STEPS = np.concatenate(
    [np.array([s * SECOND for s in _SECONDS], np.int64), MINUTE_STEPS, np.array([DAY], np.int64)]
)
#: A grid that holds less than this share of real rows is built on a wrong idea of the step.
SPARSEST = 0.02

MISSING = CONDITION_CODES[Condition.MISSING]
VALID = CONDITION_CODES[Condition.VALID]


def step_of(times: Times, allowed: npt.NDArray[np.int64]) -> int:
    """The allowed step (µs) of sorted distinct times: the most common difference, rounded to an allowed one.

    Fewer than two times give the longest step below a day. A stream of mixed rhythms takes the more frequent.
    """
    differences = np.diff(times)
    if differences.size == 0:
        return MICROSECONDS_PER_HOUR
    values, counts = np.unique(differences, return_counts=True)
    common = values[np.argmax(counts)]
    if counts.max() * 4 < differences.size:  # no rhythm: jittering or random times
        common = np.median(differences)
    return int(allowed[np.argmin(np.abs(allowed - common))])


def grid_for(times: Times, interval: Interval | None, start_us: int, end_us: int) -> Grid:
    """The grid of sorted distinct times inside `[start_us, end_us)`; `interval` None: a meter.

    It covers the whole window, so that a stream that fell silent is seen as missing to the end.
    """
    if interval is Interval.HOUR:
        step = MICROSECONDS_PER_HOUR
    elif interval is Interval.DAY:
        step = DAY
    elif interval is Interval.MINUTE:
        step = step_of(times, MINUTE_STEPS)
    else:
        step = step_of(times, FREE_STEPS)
        while step < MICROSECONDS_PER_HOUR and times.size * step < SPARSEST * (end_us - start_us):
            step = int(FREE_STEPS[np.searchsorted(FREE_STEPS, step) + 1])
    phase = DAY_PHASE if step == DAY else 0
    first = (start_us - phase) // step * step + phase
    if first < start_us and step != DAY:
        first += step
    size = max(0, -(-(end_us - first) // step))
    return Grid(first, step, int(size))


def cells_of(times: Times, grid: Grid, interval: Interval | None) -> Times:
    """Index of each time on the grid: an instant (realtime) to the nearest point, a start to its interval."""
    shift = grid.step_us // 2 if interval is Interval.REALTIME else 0
    return (times - grid.start_us + shift) // grid.step_us


def conditions_of(flags: pl.Series, dictionary_id: str) -> Conditions:
    """Flags through a dictionary to condition codes; letters in another case are taken as meant."""
    dictionary = flag_dictionary(dictionary_id)
    letters = flags.cast(pl.String).fill_null("").str.strip_chars()
    folded = {m.flag.casefold(): m.condition for m in dictionary.flags}
    codes = {}
    for letter in letters.unique().to_list():
        condition = dictionary.condition(letter)
        if condition is Condition.UNKNOWN:
            condition = folded.get(letter.casefold(), Condition.UNKNOWN)
        codes[letter] = CONDITION_CODES[condition]
    if not codes:
        return np.empty(0, np.uint8)
    return letters.replace_strict(codes, return_dtype=pl.UInt8).to_numpy().astype(np.uint8, copy=False)


def floats_of(column: pl.Series) -> Floats:
    """float64 with NaN for null and for infinities."""
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values


def times_of(column: pl.Series) -> Times:
    """int64 µs since 1970 UTC of a datetime column."""
    return column.dt.epoch("us").to_numpy().astype(np.int64, copy=False)


def _latest_last(frame: pl.DataFrame, cells: Times) -> tuple[pl.DataFrame, Times]:
    """Order rows so that, of several in one cell, the one to keep is written last; cheap without doubles."""
    keys = pl.DataFrame({"cell": cells, "factor": frame["factor"]}) if "factor" in frame.columns else None
    doubles = keys.is_duplicated().any() if keys is not None else np.unique(cells).size < cells.size
    if not doubles:
        return frame, cells
    values = [name for name in (*VALUE_COLUMNS, "flag", "kw", "kwh") if name in frame.columns]
    ordered = frame.with_columns(cell=pl.Series(cells)).sort("time", *values, nulls_last=False)
    return ordered.drop("cell"), ordered["cell"].to_numpy()


def series_of(
    frame: pl.DataFrame, interval: Interval, dictionary_id: str, start_us: int, end_us: int
) -> dict[FactorCode, Series]:
    """The series of one outlet and interval on one shared grid.

    `frame`: time (datetime UTC), factor, the value columns, flag. Rows outside the window are left out.
    """
    times = times_of(frame["time"])
    inside = (times >= start_us) & (times < end_us)
    if not inside.all():
        frame, times = frame.filter(pl.Series(inside)), times[inside]
    if not times.size:
        return {}
    grid = grid_for(np.unique(times), interval, start_us, end_us)
    cells = cells_of(times, grid, interval)
    kept = (cells >= 0) & (cells < grid.size)
    if not kept.all():
        frame, cells = frame.filter(pl.Series(kept)), cells[kept]
    frame, cells = _latest_last(frame, cells)
    codes = sorted(frame["factor"].unique().to_list())
    rows = (
        frame["factor"].replace_strict({c: i for i, c in enumerate(codes)}, return_dtype=pl.Int64).to_numpy()
    )
    planes: dict[str, Floats] = {}
    for name in VALUE_COLUMNS:
        plane = np.full((len(codes), grid.size), np.nan)
        if name in frame.columns:
            plane[rows, cells] = floats_of(frame[name])
        planes[name] = plane
    condition = np.full((len(codes), grid.size), MISSING, np.uint8)
    condition[rows, cells] = (
        conditions_of(frame["flag"], dictionary_id) if "flag" in frame.columns else np.uint8(VALID)
    )
    # a row that says 'normal' and carries no value captured nothing
    empty = np.isnan(planes["avg"]) & np.isnan(planes["converted_avg"]) & np.isnan(planes["total"])
    condition[empty & (condition == VALID)] = MISSING
    return {
        FactorCode(code): Series(
            grid,
            avg=planes["avg"][i],
            min=planes["min"][i],
            max=planes["max"][i],
            converted_avg=planes["converted_avg"][i],
            total=planes["total"][i],
            condition=condition[i],
        )
        for i, code in enumerate(codes)
    }


def power_of(frame: pl.DataFrame, start_us: int, end_us: int) -> PowerSeries | None:
    """One meter. `frame`: time, kw, kwh. A missing kW is the interval's energy over its length."""
    times = times_of(frame["time"])
    inside = (times >= start_us) & (times < end_us)
    frame, times = frame.filter(pl.Series(inside)), times[inside]
    if not times.size:
        return None
    grid = grid_for(np.unique(times), None, start_us, end_us)
    cells = cells_of(times, grid, None)
    kept = (cells >= 0) & (cells < grid.size)
    frame, cells = frame.filter(pl.Series(kept)), cells[kept]
    frame, cells = _latest_last(frame, cells)
    kw, kwh = np.full(grid.size, np.nan), np.full(grid.size, np.nan)
    for name, plane in (("kw", kw), ("kwh", kwh)):
        if name in frame.columns:
            plane[cells] = floats_of(frame[name])
    hours = grid.step_us / MICROSECONDS_PER_HOUR
    return PowerSeries(grid, np.where(np.isnan(kw), kwh / hours, kw), kwh)


def make_window(
    site_id: SiteId,
    registry: Registry,
    readings: Mapping[OutletId, pl.DataFrame],
    power: Mapping[MeterId, pl.DataFrame],
    passages: pl.DataFrame,
    *,
    start: datetime,
    end: datetime,
    known_until: datetime,
) -> Window:
    """The window of one site from its rows; `registry` is the part of the site."""
    start_us, end_us = to_microseconds(start), to_microseconds(end)
    series: dict[SeriesKey, Series] = {}
    for outlet in registry.outlets:
        frame = readings.get(outlet.outlet_id)
        if frame is None or frame.is_empty():
            continue
        for interval, part in _by_interval(frame):
            made = series_of(part, interval, outlet.flag_dictionary, start_us, end_us)
            series |= {(outlet.outlet_id, factor, interval): one for factor, one in made.items()}
    meters = {}
    for meter in registry.meters:
        frame = power.get(meter.meter_id)
        made_power = power_of(frame, start_us, end_us) if frame is not None else None
        if made_power is not None:
            meters[meter.meter_id] = made_power
    ordered = passages.sort("time", "gate_id", *[c for c in passages.columns if c not in ("time", "gate_id")])
    return Window(site_id, start, end, known_until, registry, series, meters, ordered)


def _by_interval(frame: pl.DataFrame) -> Iterator[tuple[Interval, pl.DataFrame]]:
    present = set(frame["interval"].cast(pl.String).unique().to_list())
    for interval in Interval:
        if interval.value in present:
            only = len(present) == 1
            yield interval, frame if only else frame.filter(pl.col("interval") == interval.value)
