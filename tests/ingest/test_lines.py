"""NDJSON lines: one way in, the column named when it does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from domain.clock import Interval
from ingest.errors import LineError
from ingest.lines import PARSERS, parse_passage, parse_power, parse_reading
from ingest.records import Kind

POWER = {"meter_id": "m", "time": "2026-11-20T10:00:00", "kw": 1.0}
READING = {
    "outlet_id": "o",
    "time": "2026-11-20T10:00:00",
    "interval": "hour",
    "factor": "a21026",
    "avg": 1.0,
}
PASSAGE = {"gate_id": "g", "time": "2026-11-20T10:00:00", "direction": "in", "plate": "鄂D12345"}


def line(columns: Mapping[str, object]) -> bytes:
    return json.dumps(columns, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 2, tzinfo=UTC)),
        ("2026-11-20 10:00:00.250", datetime(2026, 11, 20, 2, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00+08:00", datetime(2026, 11, 20, 2, tzinfo=UTC)),
    ],
)
def test_a_time_without_zone_is_on_the_clock_of_shanghai(text: str, expected: datetime) -> None:
    assert parse_power(line(POWER | {"time": text})).time == expected


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        (POWER | {"time": 1_763_600_000}, "time"),
        (POWER | {"time": "1763600000"}, "time"),
        (POWER | {"time": "1970-01-01T00:00:00"}, "time"),
        (POWER | {"time": "2199-01-01T00:00:00"}, "time"),
        (POWER | {"kw": "many"}, "kw"),
        (POWER | {"kw": None}, "kw"),
        (POWER | {"meter_id": ""}, "meter_id"),
        (POWER | {"voltage": 220}, "voltage"),
        ({"time": POWER["time"], "kw": 1.0}, "meter_id"),
    ],
)
def test_the_error_names_the_column(columns: dict[str, object], column: str) -> None:
    with pytest.raises(LineError) as raised:
        parse_power(line(columns))

    assert raised.value.field == column


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"{", b"\xff\xfe", b'{"meter_id":"m","time":"2026-11-20","kw":NaN}']
)
def test_what_is_no_line_is_a_line_error(body: bytes) -> None:
    with pytest.raises(LineError):
        parse_power(body)


def test_old_factor_codes_become_those_of_2017_and_unknown_ones_stay() -> None:
    assert parse_reading(line(READING | {"factor": "02"})).factor == "a21026"
    assert parse_reading(line(READING | {"factor": "x12345"})).factor == "x12345"


def test_words_are_taken_in_two_languages() -> None:
    assert parse_reading(line(READING | {"interval": "小时"})).interval is Interval.HOUR
    assert parse_passage(line(PASSAGE | {"direction": "出厂", "stage": 5, "fuel": "电"})).direction == "out"
    with pytest.raises(LineError, match="in, out"):
        parse_passage(line(PASSAGE | {"direction": "sideways"}))


def test_every_kind_of_line_has_its_parser() -> None:
    assert set(PARSERS) == {Kind.READING_LINE, Kind.POWER_LINE, Kind.PASSAGE_LINE}
