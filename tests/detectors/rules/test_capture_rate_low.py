"""capture_rate.low: the arithmetic of HJ 75-2017 §12.1.3 to the hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalogue import load_rules
from detectors.rule import Outcome
from detectors.window import Series
from domain.clock import Interval, Quarter
from domain.findings import CaptureRate, Verdict
from domain.registry import Mark, MeterRole, Registry
from domain.standards import CONDITION_CODES, Condition
from tests.detectors import worlds

QUARTER = Quarter(2026, 3)
(RULE,) = load_rules(["capture_rate.low"])

CAPTURED = {
    Condition.VALID,
    Condition.OVER_RANGE,
    Condition.STARTING,
    Condition.STOPPING,
    Condition.BANKED,
}


def flagged(conditions: list[Condition], minutes: int = 60) -> Series:
    codes = np.array([CONDITION_CODES[c] for c in conditions], np.uint8)
    values = np.where(codes == CONDITION_CODES[Condition.MISSING], np.nan, 10.0)
    return worlds.series(values, minutes, codes)


def hours(*parts: tuple[int, Condition]) -> list[Condition]:
    return [condition for count, condition in parts for _ in range(count)]


def judge(conditions: list[Condition]) -> Outcome:
    return RULE.evaluate(worlds.window({(worlds.STACK, worlds.SO2): flagged(conditions)}))


def rate_of(outcome: Outcome) -> CaptureRate:
    (rate,) = outcome.capture_rates
    return rate


def test_the_worked_example_of_the_fact_sheet_passes() -> None:
    # Q4 = 2208 h, 300 stopped, 420 invalid: 77.99 %
    conditions = hours((300, Condition.STOPPED), (420, Condition.FAULT), (1488, Condition.VALID))
    outcome = judge(conditions)
    rate = rate_of(outcome)
    assert (rate.calendar_hours, rate.stopped_hours, rate.invalid_hours) == (2208, 300, 420)
    assert rate.rate == 1488 / 1908
    assert rate.lost_by_cause == {"fault": 420}
    assert not outcome.findings


@pytest.mark.parametrize(("lost", "low"), [(552, False), (553, True)])
def test_a_quarter_is_low_from_the_first_hour_below_three_quarters(lost: int, low: bool) -> None:
    outcome = judge(hours((lost, Condition.MISSING), (2208 - lost, Condition.VALID)))
    assert bool(outcome.findings) is low
    if low:
        (finding,) = outcome.findings
        assert (finding.start, finding.end) == (QUARTER.start, QUARTER.end)
        assert finding.statistic == (2208 - lost) / 2208
        assert "低于 75%" in finding.sentence_zh and "below 75%" in finding.sentence_en
        verdicts = {e.code: e.verdict for e in finding.explanations}
        assert verdicts["commissioned"] is Verdict.SUPPORTED
        assert verdicts["fault"] is Verdict.EXCLUDED


@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from(list(Condition))), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_rate_is_exact_integer_arithmetic(parts: list[tuple[int, Condition]]) -> None:
    conditions = hours(*parts)[: QUARTER.hours]
    outcome = judge(conditions)
    if not outcome.capture_rates:
        assert all(c is Condition.MISSING for c in conditions)
        return
    rate = rate_of(outcome)
    stopped = sum(c is Condition.STOPPED for c in conditions)
    valid = sum(c in CAPTURED for c in conditions)
    lost = len(conditions) - stopped - valid
    assert (rate.elapsed_hours, rate.stopped_hours) == (len(conditions), stopped)
    assert (rate.valid_hours, rate.invalid_hours) == (valid, lost)
    assert sum(rate.lost_by_cause.values()) == lost
    ran = len(conditions) - stopped
    assert rate.rate == (valid / ran if ran else None)
    best = Fraction(valid + 2208 - len(conditions), 2208 - stopped) if stopped < 2208 else None
    assert rate.best_possible == (None if best is None else float(best))
    assert bool(outcome.findings) is (best is not None and best < Fraction(3, 4))


def test_a_running_quarter_is_found_at_the_hour_that_put_it_out_of_reach_and_stays_there() -> None:
    lost = hours((100, Condition.VALID), (553, Condition.MISSING))
    first = judge(lost)
    later = judge(lost + hours((200, Condition.VALID)))
    (early,), (late,) = first.findings, later.findings
    assert early.end == QUARTER.start + timedelta(hours=653)
    assert early.finding_id == late.finding_id
    assert "不可能达到" in early.sentence_zh and "can no longer reach" in early.sentence_en
    assert not judge(lost[:-1]).findings


def test_hours_that_lie_ahead_are_not_missing() -> None:
    window = worlds.window({(worlds.STACK, worlds.SO2): flagged(hours((100, Condition.VALID)))})
    ahead = replace(window, end=QUARTER.end)
    rate = rate_of(RULE.evaluate(ahead))
    assert (rate.elapsed_hours, rate.rate, rate.best_possible) == (100, 1.0, 1.0)


def test_a_stopped_quarter_has_no_rate_and_no_finding() -> None:
    outcome = judge(hours((2208, Condition.STOPPED)))
    assert rate_of(outcome).rate is None
    assert rate_of(outcome).best_possible is None
    assert not outcome.findings


def minutes_of_hours(patterns: list[list[Condition]]) -> list[Condition]:
    return [c for pattern in patterns for c in pattern]


def test_with_minute_data_an_hour_needs_forty_five_valid_minutes_whatever_its_row_says() -> None:
    valid, short = (
        hours((45, Condition.VALID), (15, Condition.FAULT)),
        hours((44, Condition.VALID), (16, Condition.CALIBRATION)),
    )
    stopped, mixed = (
        hours((50, Condition.STOPPED), (10, Condition.VALID)),
        hours((40, Condition.STOPPED), (20, Condition.VALID)),
    )
    minutes = flagged(minutes_of_hours([valid, short, stopped, mixed]), 1)
    rows = flagged(hours((5, Condition.VALID)))  # the fifth hour has no minutes: its row decides
    base = worlds.window({(worlds.STACK, worlds.SO2): rows})
    window = replace(base, series={**base.series, (worlds.STACK, worlds.SO2, Interval.MINUTE): minutes})
    rate = rate_of(RULE.evaluate(window))
    assert (rate.valid_hours, rate.stopped_hours, rate.invalid_hours) == (2, 1, 2)
    assert rate.lost_by_cause == {"calibration": 1, "stopped": 1}
    only_minutes = replace(window, series={(worlds.STACK, worlds.SO2, Interval.MINUTE): minutes})
    rate = rate_of(RULE.evaluate(only_minutes))
    # without hour rows the mixed hour counts as stopped, the fifth as missing
    assert (rate.valid_hours, rate.stopped_hours, rate.invalid_hours) == (1, 2, 2)
    assert rate.lost_by_cause == {"calibration": 1, "missing": 1}


@pytest.mark.parametrize(("step", "missing", "valid"), [(5, 3, 1), (5, 4, 0), (10, 1, 1), (10, 2, 0)])
def test_an_interval_of_n_minutes_counts_n(step: int, missing: int, valid: int) -> None:
    intervals = hours((missing, Condition.MISSING), (60 // step - missing, Condition.VALID))
    rate = rate_of(RULE.evaluate(worlds.window({(worlds.STACK, worlds.SO2): flagged(intervals, step)})))
    assert rate.valid_hours == valid


def test_silent_hours_inside_a_stop_mark_are_stopped() -> None:
    conditions = hours((100, Condition.VALID), (50, Condition.MISSING), (100, Condition.VALID))
    start = worlds.START + timedelta(hours=100)
    registry = Registry(marks=(Mark(worlds.STACK, start, start + timedelta(hours=50), "stopped"),))
    window = worlds.window({(worlds.STACK, worlds.SO2): flagged(conditions)}, registry=registry)
    rate = rate_of(RULE.evaluate(window))
    assert (rate.stopped_hours, rate.invalid_hours) == (50, 0)


def test_a_stop_during_which_production_draws_power_is_counted_beside() -> None:
    conditions = hours((1000, Condition.VALID), (200, Condition.STOPPED), (1008, Condition.VALID))
    rng = np.random.default_rng(3)
    running = worlds.meter(900 + 20 * rng.normal(size=2208), 60, MeterRole.PRODUCTION, name="P")
    rate = rate_of(
        RULE.evaluate(worlds.window({(worlds.STACK, worlds.SO2): flagged(conditions)}, (running,)))
    )
    assert (rate.stopped_hours, rate.unbelieved_hours, rate.rate) == (200, 200, 1.0)
    assert rate.rate_believed == 2008 / 2208


def test_each_factor_and_quarter_has_its_own_row_and_oxygen_has_none() -> None:
    series = flagged(hours((2208 + 100, Condition.VALID)))
    window = worlds.window({(worlds.STACK, f): series for f in (worlds.SO2, worlds.NOX, worlds.O2)})
    rows = {(r.factor, r.quarter, r.elapsed_hours) for r in RULE.evaluate(window).capture_rates}
    assert rows == {
        (factor, quarter, elapsed)
        for factor in (worlds.SO2, worlds.NOX)
        for quarter, elapsed in (("2026Q3", 2208), ("2026Q4", 100))
    }
