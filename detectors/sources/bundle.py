"""Windows from a bundle on disk, site by site: no database needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from detectors.gridding import DAY, Times, make_window, times_of
from detectors.window import Window
from domain.bundle import ROWS_AT_ONCE, Bundle, read_bundle
from domain.bundle_tables import TABLES
from domain.clock import MICROSECONDS_PER_HOUR, Interval, from_microseconds
from domain.registry import MeterId, OutletId, Registry, SiteId

#: Rows this far from the rest are clock errors (1970, 2099), not a period to judge.
LONGEST_SILENCE = timedelta(days=400)
_LENGTHS = {
    Interval.REALTIME: timedelta(minutes=1),
    Interval.MINUTE: timedelta(minutes=1),
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
}


class BundleSource:
    """The sites of one bundle over one period.

    Without `start` and `end` the period is what the rows of all streams cover, in whole hours: a stream that
    falls silent while others go on is missing to the end. Rows are picked by index, a site at a time.
    """

    def __init__(self, bundle: Bundle, start: datetime | None = None, end: datetime | None = None) -> None:
        self._registry = bundle.registry
        self._readings = _Rows(bundle.readings, "readings", "outlet_id")
        self._power = _Rows(bundle.power, "power", "meter_id")
        self._passages = _Rows(bundle.passages, "passages", "gate_id")
        covered = period_of(bundle)
        self.start = start or covered[0]
        self.end = end or covered[1]

    @property
    def registry(self) -> Registry:
        return self._registry

    def sites(self) -> Sequence[SiteId]:
        return sorted(site.site_id for site in self._registry.sites)

    def window(self, site_id: SiteId) -> Window:
        registry = self._registry.of_site(site_id)
        outlets = [outlet.outlet_id for outlet in registry.outlets]
        passages = pl.concat(
            [self._passages.of(gate.gate_id) for gate in registry.gates] or [self._passages.none]
        )
        return make_window(
            site_id,
            registry,
            {OutletId(o): self._readings.of(o) for o in outlets},
            {MeterId(m.meter_id): self._power.of(m.meter_id) for m in registry.meters},
            passages.filter(pl.col("time").is_between(self.start, self.end, closed="left")),
            start=self.start,
            end=self.end,
            known_until=self.end,
        )


def open_bundle(directory: Path, start: datetime | None = None, end: datetime | None = None) -> BundleSource:
    """Read a bundle (domain/bundle.py) as a source of windows. Raises BundleError."""
    return BundleSource(read_bundle(directory), start, end)


class _Rows:
    """A stream's rows by the id they belong to, without a second copy of them."""

    def __init__(self, frame: pl.DataFrame | None, table: str, key: str) -> None:
        self.none = pl.DataFrame(schema=TABLES[table].schema)
        self._frame = self.none if frame is None else frame
        self._index: dict[str, list[pl.Series]] = {}
        for first, part in _parts(self._frame):
            rows = part.select(key).with_row_index(offset=first).group_by(key).agg("index")
            for owner, index in zip(rows[key].to_list(), rows["index"], strict=True):
                self._index.setdefault(owner, []).append(index)

    def of(self, owner: str) -> pl.DataFrame:
        rows = self._index.get(owner)
        return self.none if rows is None else self._frame[pl.concat(rows)]


def _parts(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """The frame in slices with the number of their first row: grouping it whole would double its memory."""
    for first in range(0, frame.height, ROWS_AT_ONCE):
        yield first, frame.slice(first, ROWS_AT_ONCE)


def period_of(bundle: Bundle) -> tuple[datetime, datetime]:
    """First and last instant covered by the rows, widened to whole hours; empty streams cover nothing.

    Days further apart than LONGEST_SILENCE are separate periods; the one with most rows is meant.
    """
    rows: Counter[int] = Counter()  # of each day since 1970
    first: dict[int, int] = {}
    end: dict[int, int] = {}
    for frame in bundle.streams().values():
        for _, part in _parts(frame):
            for length, times in _lengths(part):
                days, index, counts = np.unique(times // DAY, return_inverse=True, return_counts=True)
                earliest, latest = np.full(days.size, times.max()), np.full(days.size, times.min())
                np.minimum.at(earliest, index, times)
                np.maximum.at(latest, index, times)
                for day, count, low, high in zip(
                    *(a.tolist() for a in (days, counts, earliest, latest + length)), strict=True
                ):
                    rows[day] += count
                    first[day] = min(low, first.get(day, low))
                    end[day] = max(high, end.get(day, high))
    if not rows:
        return from_microseconds(0), from_microseconds(0)
    periods: list[list[int]] = []
    for day in sorted(rows):
        if not periods or (day - periods[-1][-1]) * DAY > LONGEST_SILENCE // timedelta(microseconds=1):
            periods.append([])
        periods[-1].append(day)
    best = max(periods, key=lambda days: sum(rows[day] for day in days))
    begin, until = min(first[day] for day in best), max(end[day] for day in best)
    return (
        from_microseconds(begin // MICROSECONDS_PER_HOUR * MICROSECONDS_PER_HOUR),
        from_microseconds(-(-until // MICROSECONDS_PER_HOUR) * MICROSECONDS_PER_HOUR),
    )


def _lengths(part: pl.DataFrame) -> Iterator[tuple[int, Times]]:
    """Times by the length their rows cover, µs; power and passages say none: the instant itself."""
    if "interval" not in part.columns:
        yield 1, times_of(part["time"])
        return
    for interval, length in _LENGTHS.items():
        times = times_of(part.filter(pl.col("interval") == interval.value)["time"])
        if times.size:
            yield length // timedelta(microseconds=1), times
