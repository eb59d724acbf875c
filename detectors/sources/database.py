"""Windows from the database: the same rows as a bundle, the same windows, the same findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from detectors.gridding import VALUE_COLUMNS, make_window
from detectors.window import Window
from domain.clock import Interval
from domain.registry import MeterId, OutletId, Registry, SiteId
from storage.connection import Connection, connect
from storage.registry import load_registry
from storage.series import PowerTable, ReadingTable, passages, power, readings

APPLICATION = "mingcha detect"


class DatabaseSource:
    """The sites of a database over `[start, end)`; `known_until` is how far data can have come in.

    Each window is read over a connection of its own, so that several threads may read at once.
    """

    def __init__(
        self,
        url: str,
        start: datetime,
        end: datetime,
        known_until: datetime,
        sites: Sequence[SiteId] | None = None,
    ) -> None:
        self._url = url
        self.start = start
        self.end = end
        self.known_until = known_until
        with self._connect() as connection:
            self._registry = load_registry(connection)
        self._sites = sorted(s.site_id for s in self._registry.sites) if sites is None else sorted(sites)

    @property
    def registry(self) -> Registry:
        """Every site of the database, whichever are judged."""
        return self._registry

    def sites(self) -> Sequence[SiteId]:
        return self._sites

    def window(self, site_id: SiteId) -> Window:
        registry = self._registry.of_site(site_id)
        outlets = [outlet.outlet_id for outlet in registry.outlets]
        meters = [meter.meter_id for meter in registry.meters]
        gates = [gate.gate_id for gate in registry.gates]
        with self._connect() as connection:
            tables = {i: readings(connection, outlets, i, self.start, self.end) for i in Interval}
            energy = power(connection, meters, self.start, self.end)
            passed = passages(connection, gates, self.start, self.end)
        return make_window(
            site_id,
            registry,
            _by_outlet(tables),
            _by_meter(energy),
            passed,
            start=self.start,
            end=self.end,
            known_until=self.known_until,
        )

    def _connect(self) -> Connection:
        return connect(self._url, application_name=APPLICATION, autocommit=True)


def _by_outlet(tables: Mapping[Interval, ReadingTable]) -> dict[OutletId, pl.DataFrame]:
    parts: dict[OutletId, list[pl.DataFrame]] = {}
    for interval, table in tables.items():
        for i, outlet_id in enumerate(table.outlet_ids):
            rows = np.flatnonzero(table.outlet == i)
            if rows.size:
                parts.setdefault(outlet_id, []).append(_readings_frame(table, rows, interval))
    return {outlet_id: pl.concat(frames) for outlet_id, frames in parts.items()}


def _readings_frame(table: ReadingTable, rows: np.ndarray, interval: Interval) -> pl.DataFrame:
    codes = {key: table.factor_codes[key] for key in np.unique(table.factor_key[rows]).tolist()}
    letters = {flag: flag.decode("utf-8", "replace") for flag in np.unique(table.flag[rows]).tolist()}
    return pl.DataFrame(
        {
            "time": pl.Series(table.time_us[rows]).cast(pl.Datetime("us", "UTC")),
            "interval": pl.repeat(interval.value, rows.size, eager=True),
            "factor": [codes[key] for key in table.factor_key[rows].tolist()],
            **{name: getattr(table, name)[rows] for name in VALUE_COLUMNS},
            "flag": [letters[flag] for flag in table.flag[rows].tolist()],
        }
    )


def _by_meter(table: PowerTable) -> dict[MeterId, pl.DataFrame]:
    frames = {}
    for i, meter_id in enumerate(table.meter_ids):
        rows = np.flatnonzero(table.meter == i)
        if rows.size:
            times = pl.Series(table.time_us[rows]).cast(pl.Datetime("us", "UTC"))
            frames[meter_id] = pl.DataFrame({"time": times, "kw": table.kw[rows], "kwh": table.kwh[rows]})
    return frames
