"""Bundles by Kafka and the writer into the database: every value as in the file, twice as good as once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from domain.bundle import Bundle, read_bundle
from domain.bundle_tables import TABLES
from ingest.importer import ImportReport, ImportStalled, import_bundle, wait_until_stored
from ingest.ledger import check_ledger
from ingest.topics import partition_of
from ingest.writer import WriterSettings, run_writer
from mingcha.stack.broker import MemoryBroker
from storage.connection import connect
from tests.ingest.writing import START, Sender, count, drain, memory_broker, minute_frame, outcomes, query

pytestmark = pytest.mark.stack


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MemoryBroker]:
    with memory_broker(tmp_path) as started:
        yield started


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    directory = tmp_path / "bundle"
    directory.mkdir()
    (directory / "outlets.csv").write_text("outlet_id,site_id,mn\nP1-1,P1,88888880000001\nP2-1,P2,\n")
    (directory / "meters.csv").write_text("meter_id,site_id,role\nM1,P1,total\n")
    (directory / "gates.csv").write_text("gate_id,site_id\nG2,P2\n")
    hours = pl.datetime_range(START, START.replace(month=5), "1h", eager=True, closed="left")
    numbers = pl.Series(range(len(hours)), dtype=pl.Float64)
    readings = pl.concat(
        pl.DataFrame(
            {
                "time": hours, "outlet_id": outlet, "interval": "hour", "factor": factor, "avg": numbers / 7,
                "converted_avg": None if factor == "a19001" else numbers / 3, "flag": "N",
            },
            schema_overrides={"converted_avg": pl.Float64},
        )
        for outlet in ("P1-1", "P2-1")
        for factor in ("a21026", "a19001")
    )  # fmt: skip
    readings.write_parquet(directory / "readings.parquet")
    (directory / "power.csv").write_text(
        "meter_id,time,kw,kwh\nM1,2026-03-01 08:00,0.1,\nM1,2026-03-01 08:15,,7\n"
    )
    (directory / "passages.csv").write_text(
        "gate_id,time,direction,plate,stage,fuel,tonnes\n"
        "G2,2026-03-01 08:00:01.250,进,苏A12345,国六,柴油,31.5\n"
    )
    return read_bundle(directory)


def send(bundle: Bundle, url: str, broker: MemoryBroker) -> ImportReport:
    with connect(url, application_name="test", autocommit=True) as connection:
        return import_bundle(bundle, connection, broker.bootstrap)


def test_every_value_of_a_bundle_comes_out_of_the_database_as_it_went_in(
    database: str, broker: MemoryBroker, bundle: Bundle
) -> None:
    report = send(bundle, database, broker)
    assert report.rows == {"readings": 2 * 2 * 24 * 61, "power": 2, "passages": 1}
    assert {partition for _, partition in report.sent} == {partition_of("P1"), partition_of("P2")}
    drain(database, broker.bootstrap)
    assert bundle.readings is not None
    columns = ", ".join(TABLES["readings"].schema)
    stored = pl.DataFrame(
        query(database, f"SELECT {columns} FROM reading_named"),  # noqa: S608
        schema=TABLES["readings"].schema,
        orient="row",
    )
    key = ["outlet_id", "factor", "time"]
    assert_frame_equal(stored.sort(key), bundle.readings.sort(key), check_exact=True)
    assert query(database, "SELECT kw, kwh FROM power ORDER BY time") == [(0.1, None), (None, 7.0)]
    assert query(database, "SELECT direction, plate, stage, fuel, tonnes, time::text FROM passage") == [
        ("in", "苏A12345", "6", "diesel", 31.5, "2026-03-01 00:00:01.25+00")
    ]
    with connect(database, application_name="test") as connection:
        assert check_ledger(connection).problems == ()


def test_importing_twice_changes_nothing_and_is_counted(
    database: str, broker: MemoryBroker, bundle: Bundle
) -> None:
    send(bundle, database, broker)
    drain(database, broker.bootstrap)
    before = outcomes(database)["stored"]
    send(bundle, database, broker)
    drain(database, broker.bootstrap)
    assert outcomes(database) == {"stored": before, "duplicate": before}
    assert count(database, "conflict") == 0


def test_an_import_knows_when_it_is_stored_and_what_was_refused(
    database: str, broker: MemoryBroker, bundle: Bundle
) -> None:
    assert bundle.power is not None
    far = bundle.power.with_columns(pl.col("time").dt.offset_by("20y"))
    changed = bundle.power.head(1).with_columns(kw=pl.lit(9.0))
    odd = Bundle(bundle.registry, power=pl.concat([bundle.power, far, changed]))
    heard: list[tuple[int, int]] = []
    stop = threading.Event()
    writer = threading.Thread(target=run_writer, args=(WriterSettings(database, broker.bootstrap), stop))
    with connect(database, application_name="test", autocommit=True) as connection:
        report = import_bundle(odd, connection, broker.bootstrap)
        with pytest.raises(ImportStalled, match="start `mingcha writer`"):
            wait_until_stored(report, connection, broker.bootstrap, stalled_seconds=0.05)
        writer.start()
        try:
            fate = wait_until_stored(
                report, connection, broker.bootstrap, progress=lambda done, all_: heard.append((done, all_))
            )
        finally:
            stop.set()
            writer.join(20)
    assert fate.conflicts == 1
    assert fate.dead_letters == {"implausible_time": 2}
    assert heard[-1] == (1, 1)


def test_a_bundle_that_names_a_waiting_device_makes_its_kept_frames_count(
    database: str, broker: MemoryBroker, bundle: Bundle
) -> None:
    with Sender(broker.bootstrap) as sender:
        sender.send([minute_frame(1), minute_frame(2)])
    drain(database, broker.bootstrap)
    assert count(database, "reading") == 0
    report = send(Bundle(bundle.registry), database, broker)
    assert report.kept_readings == count(database, "reading") == 10
