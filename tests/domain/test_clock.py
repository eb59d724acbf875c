from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SHANGHAI, Quarter, as_utc, floor_hour, from_microseconds, to_microseconds

times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


def test_quarters_begin_at_midnight_in_shanghai() -> None:
    assert Quarter(2026, 3).start == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert Quarter(2026, 3).end == Quarter(2026, 4).start


@pytest.mark.parametrize(
    ("quarter", "hours"),
    [(Quarter(2026, 1), 2160), (Quarter(2024, 1), 2184), (Quarter(2026, 2), 2184), (Quarter(2026, 4), 2208)],
)
def test_a_quarter_has_its_calendar_hours(quarter: Quarter, hours: int) -> None:
    assert quarter.hours == hours


@given(times)
def test_every_time_lies_in_its_quarter(time: datetime) -> None:
    quarter = Quarter.of(time)
    assert quarter.start <= time < quarter.end
    assert Quarter.parse(str(quarter)) == quarter
    assert quarter.next().previous() == quarter


@given(times)
def test_microseconds_round_trip_exactly(time: datetime) -> None:
    assert from_microseconds(to_microseconds(time)) == time


def test_a_naive_time_is_shanghai() -> None:
    assert as_utc(datetime(2026, 8, 14, 3)) == datetime(2026, 8, 14, 3, tzinfo=SHANGHAI)


def test_an_hour_starts_at_the_same_instant_in_both_zones() -> None:
    time = datetime(2026, 8, 14, 3, 59, 59, tzinfo=SHANGHAI)
    assert floor_hour(time) == time - timedelta(minutes=59, seconds=59)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        to_microseconds(datetime(2026, 1, 1))


@pytest.mark.parametrize("text", ["2026", "Q3", "2026Q5", "2026Qx"])
def test_a_wrong_quarter_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="quarter"):
        Quarter.parse(text)
