"""Streams as the tables of a bundle (domain/bundle_tables.py), and a whole bundle on disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from domain.bundle import Bundle, write_bundle
from domain.bundle_tables import TABLES
from simulators.city import City
from simulators.letters import letters
from simulators.recorded import Record, record, write_record
from simulators.streams import Block, PowerStream, Streams

TRUTH_FILE = "truth.json"


def readings_table(block: Block, outlet_id: str, dictionary_id: str) -> pl.DataFrame:
    """Rows of one block, interval after interval; missing intervals are absent, NaN is null."""
    sent = np.flatnonzero(block.present)
    count, factors = sent.size, len(block.factors)
    times = np.repeat(block.times_us()[sent], factors)

    def plane(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> pl.Series:
        return pl.Series(np.ascontiguousarray(values[:, sent].T).ravel(), nan_to_null=True)

    flags = np.array(letters(dictionary_id))[block.condition[:, sent].T.ravel()]
    return pl.DataFrame(
        {
            "outlet_id": pl.repeat(outlet_id, count * factors, eager=True, dtype=pl.String),
            "time": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "interval": pl.repeat(block.interval.value, count * factors, eager=True, dtype=pl.String),
            "factor": pl.Series(list(block.factors) * count, dtype=pl.String),
            "avg": plane(block.avg),
            "min": plane(block.min),
            "max": plane(block.max),
            "converted_avg": plane(block.converted_avg),
            "total": plane(block.total),
            "flag": pl.Series(flags, dtype=pl.String),
        }
    )


def power_table(meter: PowerStream) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "meter_id": pl.repeat(meter.meter_id, meter.kw.size, eager=True, dtype=pl.String),
            "time": pl.Series(meter.times_us(), dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "kw": meter.kw,
            "kwh": meter.kwh(),
        }
    )


def bundle_of(city: City, streams: Streams) -> Bundle:
    """Registry and rows, in the flags of each outlet's own dictionary."""
    dictionaries = {outlet.outlet_id: outlet.flag_dictionary for outlet in city.outlets()}
    readings = [
        readings_table(block, outlet.outlet_id, dictionaries[outlet.outlet_id])
        for outlet in streams.outlets()
        for block in (outlet.minutes, outlet.hours)
    ]
    power = [power_table(meter) for site in streams.sites for meter in site.power]
    passages = [site.passages for site in streams.sites]
    return Bundle(
        city.registry,
        pl.concat(readings).select(list(TABLES["readings"].schema)),
        pl.concat(power).select(list(TABLES["power"].schema)),
        pl.concat(passages).select(list(TABLES["passages"].schema)),
    )


def write_city(city: City, start: datetime, end: datetime, directory: Path) -> Record:
    """Write the bundle of `[start, end)`, and beside the directory (never inside) `<name>.truth.json`."""
    streams = city.simulate(start, end)
    write_bundle(directory, bundle_of(city, streams))
    recorded = record(city, streams, start, end)
    write_record(truth_path(directory), recorded)
    return recorded


def truth_path(directory: Path) -> Path:
    return directory.parent / f"{directory.name}.{TRUTH_FILE}"
