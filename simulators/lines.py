"""Power and passages as NDJSON lines, as the receiver takes them: the bundle's columns, local times."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from simulators.streams import Streams
from simulators.tables import power_table

Lines = Iterator[tuple[int, bytes]]


def power_lines(streams: Streams, until: datetime | None = None) -> Lines:
    """(time of sending in µs, line) of every meter and interval, in time order, lines without ends.

    A value is sent when its interval is over; `until`: only what is sent before that.
    """
    meters = [
        power_table(meter).with_columns(due=pl.col("time") + pl.duration(microseconds=meter.step_us))
        for site in streams.sites
        for meter in site.power
    ]
    return _lines(pl.concat(meters).sort("due", "meter_id"), until) if meters else iter(())


def passage_lines(streams: Streams, until: datetime | None = None) -> Lines:
    """(time of sending in µs, line) of every passage, in time order, lines without ends."""
    passages = [site.passages for site in streams.sites]
    if not passages:
        return iter(())
    table = pl.concat(passages).with_columns(due=pl.col("time"))
    return _lines(table.sort("due", "gate_id", "plate"), until)


def _lines(table: pl.DataFrame, until: datetime | None) -> Lines:
    if until is not None:
        table = table.filter(pl.col("due") < until)
    due = table["due"].dt.epoch("us").to_list()
    local = pl.col("time").dt.convert_time_zone("Asia/Shanghai").dt.strftime("%Y-%m-%dT%H:%M:%S+08:00")
    buffer = io.BytesIO()
    table.drop("due").with_columns(local).write_ndjson(buffer)
    return zip(due, buffer.getvalue().splitlines(), strict=True)
