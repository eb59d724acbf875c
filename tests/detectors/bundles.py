"""Small bundles on disk: a city of honest plants and some that are not, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from domain.bundle import Bundle, write_bundle
from domain.bundle_tables import TABLES
from domain.registry import Meter, MeterId, MeterRole, Outlet, OutletId, Registry, Site, SiteId
from tests.detectors import worlds

HOURS = 2208
SCALED, SHORT = "O1", "O2"  # converted values scaled down; capture rate below 75 %


@dataclass(frozen=True)
class City:
    directory: Path
    bundle: Bundle


def city(directory: Path, plants: int = 5) -> City:
    """One outlet a plant: SO2 and O2 hours of a quarter, a production meter of 15 minutes, stops and gaps."""
    rng = np.random.default_rng(5)
    hours = np.arange(HOURS)
    readings, power = [], []
    for i in range(plants):
        o2 = worlds.reading(rng, HOURS, mean=9, sd=1, resolution=0.01)
        so2 = worlds.reading(rng, HOURS, mean=12, sd=1.5, resolution=0.01)
        converted = np.round(so2 * 15 / (21 - o2), 2)
        stopped = (hours >= 400) & (hours < 460)
        if f"O{i}" == SCALED:
            converted[700:800] = np.round(converted[700:800] * 0.8, 2)
        kept = hours >= 900 if f"O{i}" == SHORT else hours % 331 != 7
        for factor, values, zs in (("a21026", so2, converted), ("a19001", o2, np.full(HOURS, np.nan))):
            readings.append(
                pl.DataFrame(
                    {
                        "outlet_id": f"O{i}",
                        "time": _times(HOURS, 60),
                        "interval": "hour",
                        "factor": factor,
                        "avg": values,
                        "converted_avg": zs,
                        "flag": np.where(stopped, "F", np.where(hours % 168 == 3, "C", "N")),
                    }
                ).filter(pl.Series(kept))
            )
        kw = np.where(np.repeat(stopped, 4), 15.0, 900 + rng.normal(0, 20, 4 * HOURS))
        power.append(
            pl.DataFrame({"meter_id": f"M{i}", "time": _times(4 * HOURS, 15), "kw": kw, "kwh": kw / 4})
        )
    registry = Registry(
        sites=tuple(Site(SiteId(f"S{i}"), f"厂{i}") for i in range(plants)),
        outlets=tuple(
            Outlet(OutletId(f"O{i}"), SiteId(f"S{i}"), "1号排口", "coal_power_ultra_low", 6.0)
            for i in range(plants)
        ),
        meters=tuple(
            Meter(MeterId(f"M{i}"), SiteId(f"S{i}"), MeterRole.PRODUCTION, "1", 1000.0) for i in range(plants)
        ),
    )
    bundle = Bundle(registry, _typed(readings, "readings"), _typed(power, "power"))
    write_bundle(directory, bundle)
    return City(directory, bundle)


def _times(count: int, minutes: int) -> list[object]:
    return [worlds.START + timedelta(minutes=minutes * i) for i in range(count)]


def _typed(parts: list[pl.DataFrame], table: str) -> pl.DataFrame:
    schema = TABLES[table].schema
    frame = pl.concat(parts).with_columns(pl.selectors.float().fill_nan(None))
    absent = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(absent).select(list(schema)).cast(pl.Schema(schema))
