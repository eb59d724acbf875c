"""fabrication.conversion: HJ 212-2017 eq. 28 recomputed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.catalogue import load_rules
from detectors.window import Floats, Window
from domain.clock import Interval
from domain.findings import Verdict
from domain.registry import FactorCode, Outlet
from domain.standards import CONDITION_CODES, Condition
from tests.detectors import worlds

(RULE,) = load_rules(["fabrication.conversion"])
MOISTURE = FactorCode("a01014")
SIZE = 720


def hourly(
    converted: Floats | None = None, *, seed: int = 1, o2_mean: float = 9.0, reference: float = 6.0
) -> Window:
    """An honest plant that averages converted minutes; `converted` replaces what it reports."""
    rng = np.random.default_rng(seed)
    concentration = worlds.reading(rng, SIZE, mean=25, sd=5)[:, None] + rng.normal(0, 2.0, (SIZE, 60))
    oxygen = worlds.reading(rng, SIZE, mean=o2_mean, sd=1.0)[:, None] + rng.normal(0, 0.4, (SIZE, 60))
    minutes = concentration * (21 - reference) / (21 - np.minimum(oxygen, 20.0))
    so2, o2 = np.round(concentration.mean(axis=1), 2), np.round(oxygen.mean(axis=1), 2)
    reported = np.round(minutes.mean(axis=1), 2) if converted is None else converted
    window = worlds.window(
        {
            (worlds.STACK, worlds.SO2): replace(worlds.series(so2), converted_avg=reported),
            (worlds.STACK, worlds.O2): worlds.series(o2),
        }
    )
    outlet = Outlet(worlds.STACK, worlds.SITE, "1号", "", reference_o2_percent=reference)
    return replace(window, registry=replace(window.registry, outlets=(outlet,)))


def reported(window: Window) -> Floats:
    return window.series[(worlds.STACK, worlds.SO2, Interval.HOUR)].converted_avg


@pytest.mark.parametrize("o2_mean", [4.0, 9.0, 13.0, 16.0, 18.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_honest_plant_that_averages_converted_minutes_is_left_alone(seed: int, o2_mean: float) -> None:
    outcome = RULE.evaluate(hourly(seed=seed, o2_mean=o2_mean))
    assert not outcome.findings


def test_a_stretch_of_scaled_values_is_found_where_it_is() -> None:
    values = reported(hourly()).copy()
    values[200:260] = np.round(values[200:260] * 0.85, 2)
    (finding,) = RULE.evaluate(hourly(values)).findings
    window = hourly()
    grid = window.series[(worlds.STACK, worlds.SO2, Interval.HOUR)].grid
    assert (finding.start, finding.end) == (grid.time(200), grid.time(260))
    assert finding.statistic == pytest.approx(0.85, abs=0.01)
    assert finding.evidence["deviating_hours"] == 60
    verdicts = {e.code: e.verdict for e in finding.explanations}
    assert verdicts == dict.fromkeys(("reference", "calibration", "fault", "stop"), Verdict.EXCLUDED)
    assert "疑似" in finding.sentence_zh and "0.85" in finding.sentence_zh


def test_another_reference_oxygen_throughout_is_called_a_possible_setting() -> None:
    values = np.round(reported(hourly()) * (21 - 9) / (21 - 6), 2)
    (finding,) = RULE.evaluate(hourly(values)).findings
    assert finding.evidence["implied_reference_o2_percent"] == pytest.approx(9.0, abs=0.2)
    assert {e.code: e.verdict for e in finding.explanations}["reference"] is Verdict.SUPPORTED


def test_conversion_with_oxygen_corrected_for_moisture_is_no_finding_and_said() -> None:
    window = hourly()
    key = (worlds.STACK, worlds.SO2, Interval.HOUR)
    oxygen = window.series[(worlds.STACK, worlds.O2, Interval.HOUR)]
    dry = np.round(window.series[key].avg * 15 / (21 - oxygen.avg / 0.9), 2)
    series = {
        **window.series,
        key: replace(window.series[key], converted_avg=dry),
        (worlds.STACK, MOISTURE, Interval.HOUR): worlds.series(np.full(SIZE, 10.0)),
    }
    outcome = RULE.evaluate(replace(window, series=series))
    assert not outcome.findings
    assert "wet" in outcome.abstentions[0].en


def test_air_in_the_probe_and_flagged_hours_are_not_judged() -> None:
    window = hourly()
    keys = [(worlds.STACK, factor, Interval.HOUR) for factor in (worlds.SO2, worlds.O2)]
    so2, o2 = (window.series[key] for key in keys)
    air = o2.avg.copy()
    air[100:125], air[125:150] = 20.95, 21.0
    flags = so2.condition.copy()
    flags[300:350] = CONDITION_CODES[Condition.CALIBRATION]
    converted = so2.converted_avg.copy()
    converted[300:350] = 0.0
    series = {
        keys[0]: replace(so2, condition=flags, converted_avg=converted),
        keys[1]: replace(o2, avg=air),
    }
    assert not RULE.evaluate(replace(window, series=series)).findings


def test_a_plant_that_reports_the_measured_value_below_the_reference_is_in_order() -> None:
    window = hourly(o2_mean=4.0)
    key = (worlds.STACK, worlds.SO2, Interval.HOUR)
    so2, below = window.series[key], window.series[(worlds.STACK, worlds.O2, Interval.HOUR)].avg <= 6.0
    assert below.mean() > 0.9
    series = {**window.series, key: replace(so2, converted_avg=np.where(below, so2.avg, so2.converted_avg))}
    assert not RULE.evaluate(replace(window, series=series)).findings


def test_two_odd_hours_are_not_enough() -> None:
    values = reported(hourly()).copy()
    values[[100, 400]] *= 0.5
    assert not RULE.evaluate(hourly(values)).findings


def test_without_reference_or_oxygen_the_rule_abstains() -> None:
    window = hourly()
    bare = replace(window.registry.outlets[0], reference_o2_percent=None)
    no_reference = RULE.evaluate(replace(window, registry=replace(window.registry, outlets=(bare,))))
    no_oxygen = RULE.evaluate(
        replace(window, series={k: v for k, v in window.series.items() if k[1] != worlds.O2})
    )
    assert [a.en for a in (*no_reference.abstentions, *no_oxygen.abstentions)] == [
        "lacks a registered reference oxygen",
        "lacks oxygen data",
    ]
