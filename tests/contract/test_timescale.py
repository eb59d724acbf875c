"""The TimescaleDB form of the schema answers as the plain one does, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from domain.clock import Interval
from storage.connection import Connection, connect
from storage.migrate import Flavour, migrate, status
from storage.registry import load_registry, outlet_keys, save_registry
from storage.retention import drop_older_than
from storage.series import passages, readings
from tests.storage.cities import SINTER, city

pytestmark = [pytest.mark.timescale, pytest.mark.stack]

STREAMS = ["frame", "passage", "power", "raw_record", "reading"]
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
READING = "INSERT INTO reading VALUES (%s, 1, %s, %s, %s, NULL, NULL, NULL, NULL, %s)"


@pytest.fixture
def plain(database: str, timescale: Connection) -> Iterator[Connection]:
    """A plain twin. Where the suite runs on an outside TimescaleDB there is none to compare with."""
    with connect(database, application_name="test", autocommit=True) as connection:
        if status(connection).flavour is not Flavour.PLAIN:
            pytest.skip("no plain PostgreSQL to compare with: MINGCHA_DATABASE_URL has TimescaleDB")
        yield connection


@pytest.fixture(autouse=True)
def emptied(timescale: Connection) -> None:
    for name in STREAMS:
        timescale.execute(f"TRUNCATE {name}".encode())
    timescale.execute("CALL refresh_continuous_aggregate('reading_hour', NULL, NULL)")
    timescale.execute("CALL refresh_continuous_aggregate('power_hour', NULL, NULL)")


def _answer(connection: Connection, relation: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows, in an order of their own."""
    cursor = connection.execute(f"TABLE {relation}".encode())
    return [column.name for column in cursor.description or ()], sorted(cursor.fetchall(), key=repr)


def _count(connection: Connection, relation: str) -> int:
    return len(_answer(connection, relation)[1])


def _minutes(connection: Connection, outlet: int, start: datetime, minutes: int) -> None:
    for minute in range(minutes):
        flag = ("N", "N", None, "D", "")[minute % 5]
        value = None if minute % 11 == 0 else minute / 4
        connection.execute(READING, (outlet, 1, start + timedelta(minutes=minute), value, flag))


def test_every_migration_applies_and_a_second_run_applies_none(timescale: Connection) -> None:
    found = status(timescale)
    assert found.flavour is Flavour.TIMESCALE
    assert found.pending == ()
    assert "004_time.timescale.sql" in [name for name, _ in found.applied]
    assert migrate(timescale) == []


def test_streams_are_hypertables_with_columnstore_aggregates_and_policies(timescale: Connection) -> None:
    def column(query: str) -> list[object]:
        return [row[0] for row in timescale.execute(query.encode())]

    hypertables = (
        "SELECT hypertable_name FROM timescaledb_information.hypertables"
        " WHERE hypertable_schema = 'public' ORDER BY 1"
    )
    assert column(hypertables) == STREAMS
    segments = timescale.execute(
        "SELECT hypertable::text, segmentby FROM timescaledb_information.hypertable_columnstore_settings"
        " WHERE segmentby IS NOT NULL ORDER BY 1"
    )
    assert segments.fetchall() == [
        ("frame", "device_key"),
        ("passage", "gate_key"),
        ("power", "meter_key"),
        ("reading", "outlet_key,factor_key"),
    ]
    assert column(
        "SELECT view_name FROM timescaledb_information.continuous_aggregates"
        " WHERE NOT materialized_only ORDER BY 1"
    ) == ["power_hour", "reading_hour"]
    jobs = "SELECT hypertable_name FROM timescaledb_information.jobs WHERE proc_name = '{}' ORDER BY 1"
    assert column(jobs.format("policy_compression")) == ["frame", "passage", "power", "reading"]
    assert column(jobs.format("policy_retention")) == STREAMS
    assert len(column(jobs.format("policy_refresh_continuous_aggregate"))) == 2


def test_views_have_the_same_columns_and_rows_on_both(plain: Connection, timescale: Connection) -> None:
    views = ("reading_hour", "power_hour", "reading_named")
    for connection in (plain, timescale):
        save_registry(connection, city())
        outlet = outlet_keys(connection)[SINTER]
        _minutes(connection, outlet, NOON, 130)
        connection.execute(READING, (outlet, 2, NOON, 12.5, "N"))
        for quarter in range(9):
            at = NOON + timedelta(minutes=15 * quarter)
            connection.execute("INSERT INTO power VALUES (1, %s, %s, 25)", (at, 100.0 + quarter))
    for view in views:
        fresh = _answer(timescale, view)
        assert fresh == _answer(plain, view)
        assert fresh[1], view
        if view.endswith("_hour"):
            timescale.execute("CALL refresh_continuous_aggregate(%s, NULL, NULL)", (view,))
            assert _answer(timescale, view) == fresh


def test_readers_answer_the_same_on_both(plain: Connection, timescale: Connection) -> None:
    for connection in (plain, timescale):
        save_registry(connection, city())
        connection.execute(
            "INSERT INTO passage (gate_key, time, direction, plate, tonnes)"
            " SELECT gate_key, %s, 'in', '鄂A12345', 31.5 FROM gate",
            (NOON,),
        )
        _minutes(connection, outlet_keys(connection)[SINTER], NOON, 90)
    assert load_registry(timescale) == load_registry(plain) == city()
    tables = [
        readings(connection, [SINTER], Interval.MINUTE, NOON, NOON + timedelta(hours=1))
        for connection in (plain, timescale)
    ]
    assert len(tables[0]) == 60
    for name in ("outlet", "factor_key", "time_us", "avg", "flag"):
        np.testing.assert_array_equal(getattr(tables[0], name), getattr(tables[1], name))
    gates = [gate.gate_id for gate in city().gates]
    frame = passages(timescale, gates, NOON, NOON + timedelta(hours=1))
    assert frame.height == 1
    assert frame.equals(passages(plain, gates, NOON, NOON + timedelta(hours=1)))


def test_late_rows_into_a_compressed_chunk_are_stored_and_counted(timescale: Connection) -> None:
    _minutes(timescale, 7, NOON, 60)
    timescale.execute("SELECT compress_chunk(c) FROM show_chunks('reading') AS c")
    compressed = (
        "SELECT count(*) FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'reading' AND is_compressed"
    )
    assert timescale.execute(compressed.encode()).fetchone() == (1,)
    late = NOON + timedelta(minutes=60)
    assert timescale.execute(READING, (7, 1, late, 1.0, "N")).rowcount == 1
    assert _count(timescale, "reading") == 61
    # timescaledb #7672: rows went missing here without an error
    offered = [(7, 1, NOON + timedelta(minutes=minute), 2.0, "N") for minute in range(55, 70)]
    stored = 0
    for row in offered:
        stored += timescale.execute(f"{READING} ON CONFLICT DO NOTHING".encode(), row).rowcount
    assert stored == 9
    assert _count(timescale, "reading") == 70
    # the first content stays, and the key is still enforced
    kept = timescale.execute("SELECT avg FROM reading WHERE time = %s", (late,)).fetchone()
    assert kept == (1.0,)
    with pytest.raises(psycopg.errors.UniqueViolation):
        timescale.execute(READING, (7, 1, NOON, 9.0, "N"))


def test_a_late_row_in_a_materialised_hour_shows_after_the_next_refresh(timescale: Connection) -> None:
    _minutes(timescale, 7, NOON, 50)
    refresh = "CALL refresh_continuous_aggregate('reading_hour', NULL, NULL)"
    timescale.execute(refresh.encode())
    timescale.execute(READING, (7, 1, NOON + timedelta(minutes=55), 1.0, "N"))
    timescale.execute(refresh.encode())
    assert timescale.execute("SELECT received FROM reading_hour").fetchone() == (51,)


def test_retention_drops_chunks_that_are_old_as_a_whole(timescale: Connection) -> None:
    now = datetime.now(UTC)
    for at in (LONG_AGO, now):
        timescale.execute(READING, (7, 2, at, 1.0, "N"))
        timescale.execute(
            "INSERT INTO passage (gate_key, time, direction, plate) VALUES (1, %s, 'in', 'x')", (at,)
        )
    dropped = {d.relation: (d.dropped, d.unit) for d in drop_older_than(timescale)}
    assert dropped["reading"] == dropped["passage"] == (1, "chunks")
    assert _count(timescale, "reading") == _count(timescale, "passage") == 1
