"""Windows from a bundle on disk, site by site: no database needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from detectors.gridding import make_window
from detectors.window import Window
from domain.bundle import Bundle, read_bundle
from domain.bundle_tables import TABLES
from domain.clock import Interval
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
        index = self._frame.select(key).with_row_index().group_by(key).agg("index")
        self._index = dict(zip(index[key].to_list(), index["index"], strict=True))

    def of(self, owner: str) -> pl.DataFrame:
        rows = self._index.get(owner)
        return self.none if rows is None else self._frame[rows]


def period_of(bundle: Bundle) -> tuple[datetime, datetime]:
    """First and last instant covered by the rows, widened to whole hours; empty streams cover nothing."""
    ends = [
        frame.select(pl.col("time").alias("start"), _length(frame).alias("length"))
        for frame in bundle.streams().values()
        if frame.height
    ]
    if not ends:
        return datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
    days = (
        pl.concat(ends)
        .group_by(pl.col("start").dt.truncate("1d").alias("day"))
        .agg(
            pl.len().alias("rows"),
            pl.col("start").min(),
            (pl.col("start") + pl.col("length")).max().alias("end"),
        )
        .sort("day")
        .with_columns(period=(pl.col("day").diff() > LONGEST_SILENCE).fill_null(False).cum_sum())
    )
    periods = days.group_by("period").agg(pl.col("rows").sum(), pl.col("start").min(), pl.col("end").max())
    best = periods.sort("rows", "period", descending=[True, False]).row(0, named=True)
    start: datetime = best["start"].replace(minute=0, second=0, microsecond=0)
    end: datetime = best["end"].replace(minute=0, second=0, microsecond=0)
    return start, end if end == best["end"] else end + timedelta(hours=1)


def _length(frame: pl.DataFrame) -> pl.Expr:
    if "interval" not in frame.columns:
        return pl.lit(timedelta(0), dtype=pl.Duration("us"))
    lengths = {interval.value: length for interval, length in _LENGTHS.items()}
    return pl.col("interval").replace_strict(lengths, return_dtype=pl.Duration("us"))
