"""fabrication.hour_from_minutes: HJ 212-2017 eq. 24 recomputed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.catalogue import load_rules
from detectors.window import Floats, Window
from domain.clock import Interval
from domain.findings import Verdict
from domain.standards import CONDITION_CODES, Condition
from tests.detectors import worlds

(RULE,) = load_rules(["fabrication.hour_from_minutes"])
HOURS = 240


def plant(hours: Floats, minutes: Floats, flags: np.ndarray | None = None) -> Window:
    base = worlds.window({(worlds.STACK, worlds.SO2): worlds.series(hours)})
    finer = worlds.series(minutes, 3600 * HOURS // minutes.size // 60, flags)
    return replace(base, series={**base.series, (worlds.STACK, worlds.SO2, Interval.MINUTE): finer})


def honest(seed: int = 1, per_hour: int = 60) -> tuple[Floats, Floats]:
    """Hour means of exact minutes; both rounded for sending."""
    rng = np.random.default_rng(seed)
    exact = np.repeat(worlds.reading(rng, HOURS, mean=25, sd=5), per_hour) + rng.normal(
        0, 1.5, HOURS * per_hour
    )
    return np.round(exact.reshape(HOURS, per_hour).mean(axis=1), 2), np.round(exact, 1)


@pytest.mark.parametrize("per_hour", [60, 12, 6])
def test_means_of_their_minutes_are_left_alone(per_hour: int) -> None:
    assert not RULE.evaluate(plant(*honest(per_hour=per_hour))).findings


def test_edited_hours_are_found_with_their_ratio() -> None:
    hours, minutes = honest()
    hours[100:110] = np.round(hours[100:110] * 0.7, 2)
    window = plant(hours, minutes)
    (finding,) = RULE.evaluate(window).findings
    grid = window.series[(worlds.STACK, worlds.SO2, Interval.HOUR)].grid
    assert (finding.start, finding.end) == (grid.time(100), grid.time(110))
    assert finding.statistic == pytest.approx(0.7, abs=0.01)
    assert finding.evidence["deviating_hours"] == 10


def test_minutes_that_did_not_arrive_excuse_what_they_could_have_moved() -> None:
    hours, minutes = honest()
    lost = np.zeros((HOURS, 60), bool)
    lost[:, 48:] = True
    assert not RULE.evaluate(plant(hours, np.where(lost.ravel(), np.nan, minutes))).findings


def test_a_device_that_averages_flagged_minutes_too_is_in_order() -> None:
    hours, minutes = honest()
    flags = np.full((HOURS, 60), CONDITION_CODES[Condition.VALID], np.uint8)
    flags[:, :10] = CONDITION_CODES[Condition.CALIBRATION]
    assert not RULE.evaluate(plant(hours, minutes, flags.ravel())).findings


def test_hours_with_too_few_valid_minutes_are_not_judged() -> None:
    hours, minutes = honest()
    hours[:] = 1.0
    flags = np.full((HOURS, 60), CONDITION_CODES[Condition.VALID], np.uint8)
    flags[:, :16] = CONDITION_CODES[Condition.FAULT]
    assert not RULE.evaluate(plant(hours, minutes, flags.ravel())).findings


def test_one_factor_throughout_speaks_for_a_setting() -> None:
    hours, minutes = honest()
    (finding,) = RULE.evaluate(plant(np.round(hours / 2.857, 2), minutes)).findings
    assert {e.code: e.verdict for e in finding.explanations}["unit"] is Verdict.SUPPORTED


def test_without_minutes_the_rule_abstains() -> None:
    hours, _ = honest()
    outcome = RULE.evaluate(worlds.window({(worlds.STACK, worlds.SO2): worlds.series(hours)}))
    assert not outcome.findings
    assert [a.en for a in outcome.abstentions] == ["no factor has both hour and minute data"]
