"""Rows to grids: steps, flags, doubles, order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.gridding import FREE_STEPS, MINUTE_STEPS, conditions_of, power_of, series_of, step_of
from domain.clock import Interval, to_microseconds
from domain.registry import FactorCode
from domain.standards import CONDITION_CODES, Condition

START = datetime(2026, 6, 30, 16, tzinfo=UTC)
START_US = to_microseconds(START)
SO2 = FactorCode("a21026")
UTC_TIME = pl.Datetime("us", "UTC")

VALID, MISSING = CONDITION_CODES[Condition.VALID], CONDITION_CODES[Condition.MISSING]


def rows(offsets: list[timedelta], values: list[float | None], flags: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": pl.Series([START + o for o in offsets], dtype=UTC_TIME),
            "factor": [SO2] * len(offsets),
            "avg": pl.Series(values, dtype=pl.Float64),
            "flag": pl.Series(flags, dtype=pl.String),
        }
    )


def end_after(**duration: float) -> int:
    return START_US + int(timedelta(**duration) / timedelta(microseconds=1))


@pytest.mark.parametrize("minutes", [1, 5, 10, 15])
def test_the_step_is_read_from_the_data_through_gaps(minutes: int) -> None:
    rng = np.random.default_rng(minutes)
    times = np.flatnonzero(rng.random(2000) < 0.8).astype(np.int64) * minutes * 60_000_000
    assert step_of(times, MINUTE_STEPS) == minutes * 60_000_000


def test_a_jittering_meter_gets_the_step_it_means() -> None:
    rng = np.random.default_rng(1)
    times = np.sort(np.arange(500) * 900_000_000 + rng.integers(-4_000_000, 4_000_000, 500))
    assert step_of(times, FREE_STEPS) == 900_000_000


def test_an_absent_interval_is_missing_to_the_end_of_the_window() -> None:
    frame = rows([timedelta(hours=h) for h in (0, 2)], [1.0, 3.0], ["N", "N"])
    series = series_of(frame, Interval.HOUR, "hj75", START_US, end_after(hours=5))[SO2]
    assert series.condition.tolist() == [VALID, MISSING, VALID, MISSING, MISSING]
    np.testing.assert_array_equal(series.avg, [1.0, np.nan, 3.0, np.nan, np.nan])


def test_days_begin_at_midnight_in_shanghai() -> None:
    frame = rows([timedelta(days=d) for d in (0, 1)], [1.0, 2.0], ["N", "N"])
    series = series_of(frame, Interval.DAY, "hj75", START_US, end_after(days=2))[SO2]
    assert (series.grid.time(0), series.avg.tolist()) == (START, [1.0, 2.0])


@pytest.mark.parametrize(
    ("dictionary", "condition"), [("hj75", Condition.BANKED), ("hj212_2017", Condition.COMMS_FAULT)]
)
def test_the_letter_b_means_what_the_source_means(dictionary: str, condition: Condition) -> None:
    assert conditions_of(pl.Series(["B"]), dictionary).tolist() == [CONDITION_CODES[condition]]


def test_letters_are_read_in_any_case_and_strange_ones_are_never_valid() -> None:
    codes = conditions_of(pl.Series([" n ", "ST", "?", None, ""]), "hj75").tolist()
    names = (Condition.VALID, Condition.STARTING, Condition.UNKNOWN, Condition.VALID, Condition.VALID)
    assert codes == [CONDITION_CODES[c] for c in names]


def test_a_normal_row_without_a_value_captured_nothing_and_infinity_is_no_value() -> None:
    frame = rows([timedelta(hours=h) for h in range(3)], [None, float("inf"), 2.0], ["N", "N", "F"])
    series = series_of(frame, Interval.HOUR, "hj75", START_US, end_after(hours=3))[SO2]
    assert series.condition.tolist() == [MISSING, MISSING, CONDITION_CODES[Condition.STOPPED]]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([None, 1.0, 2.0, 3.5]), st.sampled_from("NFD")),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)
@settings(max_examples=50, deadline=None)
def test_the_order_of_rows_never_shows(
    given_rows: list[tuple[int, float | None, str]], random: object
) -> None:
    shuffled = list(given_rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    series = []
    for order in (given_rows, shuffled):
        hours, values, flags = zip(*order, strict=True)
        frame = rows([timedelta(hours=h) for h in hours], list(values), list(flags))
        series.append(series_of(frame, Interval.HOUR, "hj75", START_US, end_after(hours=10))[SO2])
    np.testing.assert_array_equal(series[0].avg, series[1].avg)
    np.testing.assert_array_equal(series[0].condition, series[1].condition)


def test_the_later_of_two_times_in_an_interval_wins() -> None:
    frame = rows([timedelta(minutes=50), timedelta(minutes=10)], [7.0, 9.0], ["N", "N"])
    series = series_of(frame, Interval.HOUR, "hj75", START_US, end_after(hours=1))[SO2]
    assert series.avg.tolist() == [7.0]


def test_power_without_kw_is_the_energy_over_its_interval() -> None:
    times = pl.Series([START + timedelta(minutes=15 * i) for i in range(4)], dtype=UTC_TIME)
    power = power_of(pl.DataFrame({"time": times, "kwh": [25.0] * 4}), START_US, end_after(hours=1))
    assert power is not None
    assert (power.grid.step_us, power.kw.tolist()) == (900_000_000, [100.0] * 4)


def test_rows_outside_the_window_are_left_out() -> None:
    frame = rows([timedelta(hours=h) for h in (-1, 0, 1)], [1.0, 2.0, 3.0], ["N"] * 3)
    series = series_of(frame, Interval.HOUR, "hj75", START_US, end_after(hours=1))[SO2]
    assert series.avg.tolist() == [2.0]
