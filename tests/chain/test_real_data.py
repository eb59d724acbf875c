"""Measurements of real plants go in by the doors and come out of the database equal, value by value."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
import pytest

from detectors.catalogue import load_rules
from detectors.runner import run_batch
from detectors.sources.database import DatabaseSource
from domain.clock import SHANGHAI, as_utc
from domain.registry import (
    Device,
    DeviceState,
    Meter,
    MeterId,
    MeterRole,
    Outlet,
    OutletId,
    Registry,
    Site,
    SiteId,
)
from ingest.hj212 import Edition, FrameDraft, encode
from mingcha.stack.local import LocalStack
from simulators.device import Device as Logger
from simulators.http_sender import HttpSender
from simulators.journal import Journal
from storage.registry import add_integrator, save_registry

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TOKEN = "real-data"
TURBINE, STEEL = SiteId("turbine"), SiteId("steel")
OUTLET = OutletId("turbine-1")
MN = "010000A8900016F000169DC0"

#: Column of the gas turbine's file -> factor code; what HJ 212 does not know goes under a private code.
CODES = {
    "NOX": "a21002", "CO": "a21005", "TAT": "a01012", "AT": "a01001", "AP": "a01006", "AH": "a01002",
    "AFDP": "afdp", "GTEP": "gtep", "TIT": "tit", "TEY": "tey", "CDP": "cdp",
}  # fmt: skip


def turbine_rows(shared: Path) -> tuple[list[datetime], pl.DataFrame]:
    """Two years in running order; the file has no times, so hours follow one another from 2011-01-01."""
    table = pl.concat(
        [pl.read_csv(shared / "data" / f"gt_{year}.csv", infer_schema=False) for year in (2011, 2012)]
    )
    first = datetime(2011, 1, 1, tzinfo=SHANGHAI)
    return [first + timedelta(hours=n) for n in range(table.height)], table


def steel_rows(shared: Path) -> tuple[list[datetime], list[float]]:
    """Quarter hours; the file names their end."""
    file = shared / "data" / "steel_industry_2018.csv"
    table = pl.read_csv(file, columns=["date", "Usage_kWh"], infer_schema=False)
    ends = table["date"].str.to_datetime("%d/%m/%Y %H:%M").to_list()
    usage = [float(text) for text in table["Usage_kWh"]]
    return [end.replace(tzinfo=SHANGHAI) - timedelta(minutes=15) for end in ends], usage


def frames(times: list[datetime], table: pl.DataFrame) -> Iterator[bytes]:
    for time_, row in zip(times, table.iter_rows(named=True), strict=True):
        groups = tuple(
            ((f"{code}-Avg", row[name].strip()), (f"{code}-Flag", "N")) for name, code in CODES.items()
        )
        yield from encode(
            FrameDraft(
                Edition.HJ_2017, "2061", MN, qn=time_ + timedelta(hours=1), data_time=time_, groups=groups
            )
        )


async def send(intake: LocalStack, shared: Path, journal_file: Path) -> tuple[int, int]:
    chance = random.Random(1)
    settings = intake.settings
    with Journal(journal_file) as journal:
        async with (
            Logger(settings.host, settings.gateway_port, journal, chance, window=512) as logger,
            HttpSender(settings.host, settings.receiver_port, TOKEN, journal, chance) as sender,
        ):
            tally = await logger.send(frames(*turbine_rows(shared)))
            times, usage = steel_rows(shared)
            lines = [
                json.dumps(
                    {"meter_id": "steel-total", "time": t.isoformat(), "kw": 4 * kwh, "kwh": kwh}
                ).encode()
                for t, kwh in zip(times, usage, strict=True)
            ]
            accepted = 0
            for start in range(0, len(lines), 500):
                posted = await sender.send("power", lines[start : start + 500])
                assert posted is not None
                accepted += posted.accepted
    return tally.answered, accepted


def rows(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own table names
    assert row is not None
    return int(row[0])


def test_real_plants_come_out_of_the_database_as_they_went_in(
    intake: LocalStack, database: str, shared: Path, tmp_path: Path
) -> None:
    registry = Registry(
        sites=(Site(TURBINE, "gas turbine"), Site(STEEL, "steel plant")),
        outlets=(Outlet(OUTLET, TURBINE, "stack", flag_dictionary="hj212_2017"),),
        meters=(Meter(MeterId("steel-total"), STEEL, MeterRole.TOTAL),),
    )
    logger = Device(MN, OUTLET, TURBINE, DeviceState.ACTIVE)
    with psycopg.connect(database, autocommit=True) as connection:
        save_registry(connection, registry, (logger,))
        add_integrator(connection, "real-data", TOKEN)

        times, table = turbine_rows(shared)
        power_times, usage = steel_rows(shared)
        answered, accepted = asyncio.run(send(intake, shared, tmp_path / "journal.jsonl"))
        assert answered >= table.height
        assert accepted == len(usage)

        deadline = time.monotonic() + 120
        while rows(connection, "power") < len(usage) or rows(connection, "reading") < table.height * len(
            CODES
        ):
            assert time.monotonic() < deadline, "the writer did not catch up"
            time.sleep(0.2)

        for name, code in CODES.items():
            stored = connection.execute(
                "SELECT time, avg FROM reading_named"
                " WHERE outlet_id = %s AND factor = %s AND interval = 'hour' ORDER BY time",
                (OUTLET, code),
            ).fetchall()
            assert [as_utc(t) for t, _ in stored] == [as_utc(t) for t in times]
            np.testing.assert_array_equal([value for _, value in stored], [float(x) for x in table[name]])
        stored_power = connection.execute("SELECT time, kwh, kw FROM power ORDER BY time").fetchall()
        expected = sorted((as_utc(t), kwh, 4 * kwh) for t, kwh in zip(power_times, usage, strict=True))
        assert [(as_utc(t), kwh, kw) for t, kwh, kw in stored_power] == expected

    end = times[-1] + timedelta(hours=1)
    source = DatabaseSource(database, times[0], end, known_until=end)
    outcomes = list(run_batch(source, load_rules()))
    assert not [failure for outcome in outcomes for failure in outcome.failures]
    found = [finding for outcome in outcomes for finding in outcome.outcome.findings]
    # The file itself holds one NOx value of 60.38 mg/m3 for 102 hours while load and temperatures move:
    # a frozen analyser or a filled gap of its makers, and all there is to find in two honest years.
    assert [(f.rule, f.factor, f.start) for f in found] == [
        ("fabrication.constant", "a21002", as_utc(datetime(2011, 2, 25, 16, tzinfo=SHANGHAI)))
    ]
