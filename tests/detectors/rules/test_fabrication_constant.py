"""Constant values: found where the instrument would not repeat itself, never where it would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.catalogue import load_rules
from detectors.window import Floats, Window
from domain.clock import Interval
from domain.findings import Finding, Verdict
from domain.registry import Mark, MeterRole, Registry
from domain.standards import CONDITION_CODES, Condition
from tests.detectors.worlds import (
    HOURS_A_QUARTER,
    NOX,
    O2,
    PM,
    SO2,
    STACK,
    ar1,
    meter,
    reading,
    series,
    window,
)

RULE = load_rules(["fabrication.constant"])[0]
TEN_MINUTES_A_QUARTER = 6 * HOURS_A_QUARTER


def found(values: Floats, minutes: int = 60) -> tuple[Window, tuple[Finding, ...]]:
    world = window({(STACK, SO2): series(values, minutes)})
    return world, RULE.evaluate(world).findings


@pytest.mark.parametrize(("minutes", "phi"), [(60, 0.5), (60, 0.9), (60, 0.99), (10, 0.9), (10, 0.998)])
@pytest.mark.parametrize("sd", [0.05, 0.1, 0.2, 0.5, 3.0])
def test_honest_series_never_fire_however_coarse_or_slow(minutes: int, phi: float, sd: float) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, minutes])
        values = reading(rng, 60 // minutes * HOURS_A_QUARTER, sd=sd, phi=phi)
        assert found(values, minutes)[1] == ()


@pytest.mark.parametrize("minutes", [60, 10])
@pytest.mark.parametrize("seed", range(10))
def test_twelve_frozen_hours_are_found_to_the_interval(seed: int, minutes: int) -> None:
    rng = np.random.default_rng(seed)
    values = reading(rng, 60 // minutes * HOURS_A_QUARTER)
    values[500 : 500 + 720 // minutes] = values[500]
    world, (finding,) = found(values, minutes)
    grid = world.series[next(iter(world.series))].grid
    # honest neighbours may happen to show the same value
    assert grid.time(499) <= finding.start <= grid.time(500)
    assert grid.time(500 + 720 // minutes) <= finding.end <= grid.time(502 + 720 // minutes)
    assert finding.p_value is not None
    assert finding.p_value < 1e-4


def test_realtime_values_are_judged_where_there_is_nothing_else() -> None:
    values = reading(np.random.default_rng(5), 14 * 24 * 60)
    values[3000 : 3000 + 720] = values[3000]
    world, _ = found(values, 1)
    ((outlet, factor, _), minutes) = next(iter(world.series.items()))
    realtime = replace(world, series={(outlet, factor, Interval.REALTIME): minutes})
    (finding,) = RULE.evaluate(realtime).findings
    assert finding.start >= minutes.grid.time(2999)
    assert finding.end <= minutes.grid.time(3722)


def test_a_coarse_dust_meter_near_zero_is_not_accused() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        level: Floats = np.abs(0.25 + 0.15 * ar1(rng, TEN_MINUTES_A_QUARTER, 0.98))
        level[2000:4000] *= 0.3  # a quiet fortnight
        world = window({(STACK, PM): series(level.round(1), 10)})
        assert RULE.evaluate(world).findings == ()


def test_values_at_the_detection_limit_are_left_out_and_a_freeze_at_the_bottom_is_not() -> None:
    rng = np.random.default_rng(1)
    values = reading(rng, TEN_MINUTES_A_QUARTER, mean=5, sd=3, phi=0.99)
    clamped = np.maximum(values, 3.0)
    assert (np.diff(clamped) == 0).mean() > 0.1
    assert found(clamped, 10)[1] == ()
    free = reading(rng, mean=30)
    free[800:830] = free.min() - 0.5
    assert len(found(free)[1]) == 1


def test_stopped_and_calibrated_hours_are_no_evidence_and_do_not_hide_any() -> None:
    rng = np.random.default_rng(2)
    values = reading(rng)
    flags = np.full(values.size, CONDITION_CODES[Condition.VALID], np.uint8)
    values[100:200] = 20.9
    flags[100:200] = CONDITION_CODES[Condition.STOPPED]
    values[600:660] = values[600]
    values[612:660:24] = 0.0  # the freeze goes on through daily calibrations
    flags[612:660:24] = CONDITION_CODES[Condition.CALIBRATION]
    (finding,) = RULE.evaluate(window({(STACK, SO2): series(values, flags=flags)})).findings
    assert finding.statistic == 58
    verdicts = {e.code: e.verdict for e in finding.explanations}
    assert verdicts["calibration"] is Verdict.SUPPORTED
    assert verdicts["coarse_instrument"] is Verdict.EXCLUDED


def test_hours_without_production_or_under_a_mark_are_not_judged() -> None:
    rng = np.random.default_rng(3)
    values = reading(rng)
    values[400:450] = values[400]
    kw = 500 * (1 + 0.05 * ar1(rng, values.size, 0.8))
    kw[398:452] = 4.0
    stopped = window({(STACK, SO2): series(values)}, (meter(kw, 60, MeterRole.PRODUCTION, name="P1"),))
    assert RULE.evaluate(stopped).findings == ()
    grid = stopped.series[next(iter(stopped.series))].grid
    mark = Mark(STACK, grid.time(400), grid.time(450), "maintenance")
    marked = window({(STACK, SO2): series(values)}, registry=Registry(marks=(mark,)))
    assert RULE.evaluate(marked).findings == ()


def test_factors_frozen_together_are_one_finding_that_names_them() -> None:
    rng = np.random.default_rng(4)
    channels = {code: reading(rng, TEN_MINUTES_A_QUARTER) for code in (SO2, NOX, PM, O2)}
    for code in (SO2, NOX, PM):
        channels[code][700:725] = channels[code][700]  # four hours: below the floor of a single gas
    world = window({(STACK, code): series(v, 10) for code, v in channels.items()})
    (finding,) = RULE.evaluate(world).findings
    assert finding.factor is None
    assert "二氧化硫" in finding.sentence_zh
    assert "颗粒物" in finding.sentence_zh
    runs = finding.evidence["runs"]
    assert isinstance(runs, list)
    assert {run["factor"] for run in runs} == {SO2, NOX, PM}


def test_a_series_that_never_moves_is_said_to_be_unjudged() -> None:
    outcome = RULE.evaluate(window({(STACK, SO2): series(np.full(500, 12.5))}))
    assert outcome.findings == ()
    assert [a.subject for a in outcome.abstentions] == [f"{STACK}/{SO2}"]
