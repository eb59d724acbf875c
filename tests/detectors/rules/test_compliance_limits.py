"""compliance.hour_limit and compliance.day_limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from detectors.catalogue import load_rules
from detectors.rule import Outcome
from detectors.window import Floats, Window
from domain.findings import Finding
from domain.registry import Basis, Limit, Mark, Outlet
from domain.standards import CONDITION_CODES, Condition
from tests.detectors import worlds

HOUR, DAY = (load_rules([name])[0] for name in ("compliance.hour_limit", "compliance.day_limit"))


def plant(
    converted: Floats, *, conditions: dict[int, Condition] | None = None, limits: tuple[Limit, ...] = ()
) -> Window:
    flags = np.full(converted.size, CONDITION_CODES[Condition.VALID], np.uint8)
    for hour, condition in (conditions or {}).items():
        flags[hour] = CONDITION_CODES[condition]
    series = replace(worlds.series(converted / 1.2, flags=flags), converted_avg=converted)
    window = worlds.window({(worlds.STACK, worlds.SO2): series})
    outlet = Outlet(worlds.STACK, worlds.SITE, "1号", "coal_power_ultra_low", reference_o2_percent=6.0)
    return replace(window, registry=replace(window.registry, outlets=(outlet,), limits=limits))


def with_peak(*hours: int, level: float = 40.0) -> Floats:
    values = np.full(72, 20.0)
    values[list(hours)] = level
    return values


def only(outcome: Outcome) -> Finding:
    (finding,) = outcome.findings
    return finding


def test_consecutive_hours_above_the_limit_are_one_finding_with_the_worst_ratio() -> None:
    values = with_peak(10, 11, 12)
    values[11] = 70.0
    finding = only(HOUR.evaluate(plant(values)))
    assert finding.start == worlds.START + timedelta(hours=10)
    assert finding.end == worlds.START + timedelta(hours=13)
    assert finding.statistic == 2.0
    assert "07-01 10:00 至 07-01 13:00" in finding.sentence_zh
    assert "35" in finding.sentence_en


def test_a_value_at_the_limit_is_within_it() -> None:
    assert not HOUR.evaluate(plant(with_peak(10, level=35.0))).findings
    assert HOUR.evaluate(plant(with_peak(10, level=35.01))).findings


def test_start_up_faults_and_marked_hours_are_not_judged() -> None:
    conditions = {
        10: Condition.STARTING,
        11: Condition.CALIBRATION,
        12: Condition.FAULT,
        13: Condition.BANKED,
    }
    window = plant(with_peak(10, 11, 12, 13, 14), conditions=conditions)
    mark = Mark(worlds.STACK, worlds.START + timedelta(hours=14), worlds.START + timedelta(hours=15), "启炉")
    marked = replace(window, registry=replace(window.registry, marks=(mark,)))
    assert not HOUR.evaluate(marked).findings
    assert HOUR.evaluate(window).findings


def test_the_outlets_own_limit_and_its_dates_come_before_the_national_one() -> None:
    half = worlds.START + timedelta(hours=36)
    limits = (
        Limit(worlds.STACK, worlds.SO2, 100.0, valid_to=half),
        Limit(worlds.STACK, worlds.SO2, 30.0, Basis.CONVERTED, "hour", half),
    )
    finding = only(HOUR.evaluate(plant(with_peak(10, 50), limits=limits)))
    assert finding.start == worlds.START + timedelta(hours=50)
    assert finding.evidence["limit_source"] == "outlet"


def test_a_limit_on_the_measured_value_is_compared_with_it() -> None:
    limits = (Limit(worlds.STACK, worlds.SO2, 35.0, Basis.MEASURED),)
    assert not HOUR.evaluate(plant(with_peak(10, level=41.0), limits=limits)).findings
    assert HOUR.evaluate(plant(with_peak(10, level=43.0), limits=limits)).findings


def test_converted_means_that_were_not_reported_are_computed_from_oxygen() -> None:
    window = plant(with_peak(10))
    ((key, series),) = window.series.items()
    oxygen = worlds.series(np.full(72, 13.0))  # factor 15 / 8: 20 / 1.2 * 1.875 = 31.25
    bare = replace(
        window,
        series={
            key: replace(series, converted_avg=np.full(72, np.nan)),
            (worlds.STACK, worlds.O2, key[2]): oxygen,
        },
    )
    finding = only(HOUR.evaluate(bare))
    assert finding.statistic == np.float64(40 / 1.2 * 1.875 / 35)


def test_without_a_limit_the_rule_abstains() -> None:
    window = plant(with_peak(10))
    unknown = Outlet(worlds.STACK, worlds.SITE, "1号", "unheard of")
    outcome = HOUR.evaluate(replace(window, registry=replace(window.registry, outlets=(unknown,))))
    assert not outcome.findings
    assert [a.subject for a in outcome.abstentions] == [worlds.STACK]


def test_a_day_mean_above_the_day_limit_is_found_by_shanghai_days() -> None:
    limits = (Limit(worlds.STACK, worlds.SO2, 25.0, Basis.CONVERTED, "day"),)
    finding = only(DAY.evaluate(plant(with_peak(*range(24, 48), level=26.0), limits=limits)))
    assert finding.start == worlds.START + timedelta(hours=24)
    assert finding.end == worlds.START + timedelta(hours=48)
    assert finding.evidence["days"] == 1


def test_a_day_with_too_few_hours_is_not_judged() -> None:
    limits = (Limit(worlds.STACK, worlds.SO2, 25.0, Basis.CONVERTED, "day"),)
    faults = dict.fromkeys(range(24, 29), Condition.FAULT)
    window = plant(with_peak(*range(24, 48), level=26.0), conditions=faults, limits=limits)
    assert not DAY.evaluate(window).findings
