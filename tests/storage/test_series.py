"""Rows of the streams as arrays and frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.clock import Interval, to_microseconds
from domain.registry import GateId, MeterId, OutletId
from ingest.hj212.model import CrcKind
from storage.connection import Connection, connect
from storage.errors import UnknownSubject
from storage.registry import (
    ensure_pending_devices,
    ensure_unknown_factors,
    factor_keys,
    gate_keys,
    meter_keys,
    outlet_keys,
    save_registry,
)
from storage.series import frames, latest_event_time, passages, power, raw_frame, readings
from tests.storage.cities import KILN, MN_SINTER, SINTER, SO2, city

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(database, application_name="test") as connection:
        save_registry(connection, city())
        yield connection
        connection.rollback()


def _insert_reading(
    connection: Connection, outlet: OutletId, factor: str, interval: int, time: datetime, *rest: object
) -> None:
    connection.execute(
        "INSERT INTO reading VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (outlet_keys(connection)[outlet], factor_keys(connection)[factor], interval, time, *rest),
    )


def test_readings_come_series_by_series_with_gaps_as_nan(connection: Connection) -> None:
    _insert_reading(connection, SINTER, SO2, 2, NOON + HOUR, 12.5, 9.0, 18.0, 13.3, 6.9, "N")
    _insert_reading(connection, SINTER, SO2, 2, NOON, None, None, None, None, None, None)
    _insert_reading(connection, SINTER, SO2, 1, NOON, 1.0, 1.0, 1.0, 1.0, 1.0, "N")  # another interval
    _insert_reading(
        connection, SINTER, SO2, 2, NOON + 2 * HOUR, 1.0, 1.0, 1.0, 1.0, 1.0, "N"
    )  # the end is out
    _insert_reading(connection, KILN, "a19001", 2, NOON, 7.0, 6.5, 7.5, None, None, "停")
    table = readings(connection, [SINTER, KILN], Interval.HOUR, NOON, NOON + 2 * HOUR)
    assert len(table) == 3
    series: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for i in range(3):
        key = (table.outlet_ids[table.outlet[i]], table.factor_codes[int(table.factor_key[i])])
        series.setdefault(key, []).append((table.time_us[i], table.avg[i], table.flag[i]))
    assert set(series) == {(SINTER, SO2), (KILN, "a19001")}
    first, second = series[SINTER, SO2]
    assert first[0] == to_microseconds(NOON)
    assert first[1] != first[1]  # NaN
    assert second[1:] == (12.5, b"N")
    assert series[KILN, "a19001"][0][2] == "停".encode()
    i = int(np.flatnonzero(table.avg == 12.5)[0])
    assert (table.min[i], table.max[i], table.converted_avg[i], table.total[i]) == (9.0, 18.0, 13.3, 6.9)


def test_only_the_factors_asked_for_come_and_private_codes_may_be_asked(connection: Connection) -> None:
    ensure_unknown_factors(connection, ["zz1"])
    for factor in (SO2, "zz1", "a19001"):
        _insert_reading(connection, SINTER, factor, 2, NOON, 1.0, 1.0, 1.0, 1.0, 1.0, "N")
    table = readings(connection, [SINTER], Interval.HOUR, NOON, NOON + HOUR, [SO2, "zz1", "never seen"])
    assert {table.factor_codes[int(k)] for k in table.factor_key} == {SO2, "zz1"}


def test_unknown_outlets_have_no_readings(connection: Connection) -> None:
    assert len(readings(connection, [OutletId("nowhere")], Interval.HOUR, NOON, NOON + HOUR)) == 0
    assert len(readings(connection, [], Interval.HOUR, NOON, NOON + HOUR)) == 0


def test_power_comes_meter_by_meter(connection: Connection) -> None:
    keys = meter_keys(connection)
    connection.execute(
        "INSERT INTO power VALUES (%s, %s, 5, 1), (%s, %s, NULL, 2), (%s, %s, 7, 3)",
        (keys[MeterId("m1")], NOON, keys[MeterId("m2")], NOON + HOUR, keys[MeterId("m2")], NOON),
    )
    table = power(connection, [MeterId("m2"), MeterId("m1")], NOON, NOON + 2 * HOUR)
    got = {
        (table.meter_ids[m], int(t)): k for m, t, k in zip(table.meter, table.time_us, table.kwh, strict=True)
    }
    noon = to_microseconds(NOON)
    assert got == {("m1", noon): 1.0, ("m2", noon): 3.0, ("m2", noon + 3_600_000_000): 2.0}
    assert np.isnan(table.kw).sum() == 1


def test_passages_have_the_columns_of_the_bundle(connection: Connection) -> None:
    gate = gate_keys(connection)[GateId("g1")]
    connection.execute(
        "INSERT INTO passage VALUES (%s, %s, 'in', '鄂A12345', 'yellow', '5', 'diesel', '铁矿粉', 31.5)",
        (gate, NOON),
    )
    frame = passages(connection, [GateId("g1")], NOON, NOON + HOUR)
    assert frame.schema["time"] == pl.Datetime("us", "UTC")
    assert frame.rows() == [
        ("g1", NOON, "in", "鄂A12345", "yellow", "5", "diesel", "铁矿粉", 31.5),
    ]
    assert passages(connection, [GateId("g1")], NOON + HOUR, NOON + 2 * HOUR).schema == frame.schema


def test_a_packet_is_cut_out_of_its_raw_record_as_received(connection: Connection) -> None:
    device = ensure_pending_devices(connection, [MN_SINTER])[MN_SINTER]
    packet = b"##0087QN=...\xff\x00\r\n"
    connection.execute(
        "INSERT INTO raw_record VALUES (1, 0, 7, %s, 1, %s)", (NOON, b"head" + packet + b"next")
    )
    connection.execute(
        "INSERT INTO frame VALUES (%s, %s, 2061, 0, %s, -5, %s, %s, 2017, 1, 10, '10.0.0.7', 1, 0, 7, 4, %s)",
        (device, NOON, NOON, hashlib.sha256(packet).digest(), CrcKind.MODBUS, len(packet)),
    )
    assert raw_frame(connection, MN_SINTER, NOON, 2061) == packet
    row = frames(connection, MN_SINTER, NOON, NOON + HOUR).row(0, named=True)
    assert row["sha256"] == hashlib.sha256(raw_frame(connection, MN_SINTER, NOON, 2061)).digest()
    assert (row["peer"], row["crc_kind"], row["payload_hash"]) == ("10.0.0.7", CrcKind.MODBUS, -5)
    assert (row["received_at"], row["cn"], row["edition"]) == (NOON, 2061, 2017)
    connection.execute("DELETE FROM raw_record")
    with pytest.raises(UnknownSubject, match="no raw record of the frame"):
        raw_frame(connection, MN_SINTER, NOON, 2061)
    with pytest.raises(UnknownSubject, match="no frame"):
        raw_frame(connection, MN_SINTER, NOON, 2051)


def test_the_latest_event_time_is_what_the_writers_noted(connection: Connection) -> None:
    assert latest_event_time(connection) is None
    connection.execute(
        "INSERT INTO stream (topic, topic_id) VALUES ('raw.cems', gen_random_uuid());"
        "INSERT INTO ingest_offset (stream_key, partition) SELECT stream_key, 0 FROM stream;"
        "INSERT INTO ingest_offset (stream_key, partition, event_time)"
        " SELECT stream_key, 1, '2026-07-01T12:00:00+08' FROM stream"
    )
    assert latest_event_time(connection) == NOON
