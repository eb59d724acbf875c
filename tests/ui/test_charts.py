"""Charts are pure: the same streams give the same picture, and nothing that matters is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.standards import Condition
from enforcement import evidence
from enforcement.board import by_day, hours_left_to_lose
from enforcement.people import DEMO_PEOPLE, sign_in
from storage.connection import connect
from storage.console_reads import CaptureRow
from tests.ui import city
from ui.charts.lanes import Span, from_browser, lanes, to_browser
from ui.charts.thinning import thin
from ui.theme import DARK, LIGHT
from ui.words import words

NOW = datetime(2026, 8, 21, tzinfo=UTC)


@pytest.fixture
def streams(database: str) -> Iterator[evidence.Streams]:
    city.build(database, NOW)
    with connect(database, application_name="mingcha tests", autocommit=True) as connection:
        person = sign_in(connection, "analyst", DEMO_PEOPLE[0].password, NOW)
        yield evidence.streams(
            connection, person, "S1", "S1-2", *evidence.window_around(*city.IDLE_TREATMENT)
        )


def test_all_lanes_of_a_site_share_one_axis_and_the_flagged_band(streams: evidence.Streams) -> None:
    for palette in (LIGHT, DARK):
        chart = lanes(streams, [Span(*city.IDLE_TREATMENT)], palette, words("zh"))
        assert chart is not None
        spec = json.dumps(chart.to_dict(), ensure_ascii=False)
        for lane in ("生产用电", "治污用电", "废气流量", "氧含量", "二氧化硫", "车辆", "数据质量", "预警"):
            assert lane in spec, lane
        assert spec.count('"name": "span"') == 1
        assert "鄂D1" in spec
        assert "限值 35" in spec
    assert streams.quality[0].condition is Condition.VALID


def test_plates_are_masked_before_they_reach_the_page(streams: evidence.Streams) -> None:
    assert streams.passages.height > 5
    assert streams.passages["plate"].str.contains(r"\*\*\*").all()


def test_nothing_to_draw_is_said_and_not_drawn(streams: evidence.Streams) -> None:
    hollow = evidence.Streams(
        streams.outlet, streams.start, streams.end, streams.interval, streams.readings.clear(),
        streams.power.clear(), (), (), (), (), streams.passages.clear(), (),
    )  # fmt: skip
    assert lanes(hollow, [], LIGHT, words("zh")) is None


def test_a_missing_hour_breaks_the_line_and_shows_in_the_ribbon() -> None:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    hours = [0, 1, 3]
    readings = pl.DataFrame(
        {
            "factor": ["a21026"] * 3,
            "time": [start + timedelta(hours=h) for h in hours],
            "avg": [1.0, 2.0, 3.0],
            "converted_avg": [None, None, None],
            "flag": ["N", "N", "M"],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC"), "converted_avg": pl.Float64},
    )
    end, step = start + timedelta(hours=4), timedelta(hours=1)
    assert evidence.on_grid(readings, start, end, step)["avg"].to_list() == [1.0, 2.0, None, 3.0]
    runs = evidence.quality_runs(readings, "hj75", start, end, step)
    assert [(r.condition, (r.end - r.start) // step) for r in runs] == [
        (Condition.VALID, 2), (Condition.MISSING, 1), (Condition.MAINTENANCE, 1),
    ]  # fmt: skip


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_a_brushed_time_comes_back_as_it_was(time: datetime) -> None:
    assert abs(from_browser(to_browser(time)) - time) < timedelta(milliseconds=1)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=300), st.integers(10, 60))
def test_thinning_keeps_the_extremes_and_the_limit(values: list[float], most: int) -> None:
    series = np.array(values, dtype=np.float64)
    kept = thin(series, most)
    assert len(kept) <= max(most, 2)
    assert (np.diff(kept) > 0).all()
    if len(series) and not np.isnan(series).all():
        assert np.nanmax(series[kept]) == np.nanmax(series)
        assert np.nanmin(series[kept]) == np.nanmin(series)


def _rate(elapsed: int, stopped: int, invalid: int, unbelieved: int) -> CaptureRow:
    return CaptureRow(
        "S", "S", "4210", "O", "O", "a21026", "2026Q3", 2_208, elapsed, stopped,
        elapsed - stopped - invalid, invalid, unbelieved, None, None, None, {},
    )  # fmt: skip


def test_what_can_still_be_lost_is_a_quarter_of_running_hours_less_what_is_lost() -> None:
    assert hours_left_to_lose(_rate(1_000, 208, 300, 0)) == 2_000 // 4 - 300
    assert hours_left_to_lose(_rate(1_000, 208, 300, 8)) == 502 - 300 - 8
    assert (hours_left_to_lose(_rate(2_000, 208, 600, 0)) or 0) < 0
    assert hours_left_to_lose(_rate(2_208, 0, 0, 0)) is None


def test_hours_are_counted_by_the_day_of_shanghai() -> None:
    midnight = city.local(8, 2)
    flags = pl.DataFrame(
        {
            "time": [midnight - timedelta(hours=1), midnight, midnight + timedelta(hours=1)],
            "flag": ["N", "D", "F"],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )
    first, second = by_day(flags, "hj75", midnight - timedelta(hours=2), midnight + timedelta(hours=3))
    assert (first.valid, first.lost) == (1, {Condition.MISSING: 1})
    assert (second.stopped, second.lost) == (1, {Condition.FAULT: 1, Condition.MISSING: 1})
