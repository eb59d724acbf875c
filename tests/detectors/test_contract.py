"""What every rule of the catalogue must do, whatever it looks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace

import numpy as np
import polars as pl
import pytest

from detectors.catalogue import catalogue, load_rules
from detectors.reporting import parameters_of
from detectors.rule import Outcome, Rule
from detectors.window import Floats, PowerSeries, Series, Window
from domain.clock import Interval
from domain.findings import Finding
from domain.registry import MeterRole, Outlet, Registry, Site
from domain.standards import CONDITION_CODES, Condition, legal_bases
from tests.detectors import worlds

RULES = load_rules()
HOURS = 2208  # July to September, a whole quarter
MINUTES = 10 * 24 * 60

pytestmark = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.entry.id)


def plant(make: Callable[[int], Floats], condition: Condition | None = None) -> Window:
    """Two outlets with hours and ten days of minutes of three channels, production and treatment meters."""

    def channel(size: int, minutes: int) -> Series:
        values = make(size)
        flags = None if condition is None else np.full(size, CONDITION_CODES[condition], np.uint8)
        series = worlds.series(values, minutes, flags)
        return replace(series, converted_avg=values * 1.1, min=values, max=values, total=values)

    hourly, minutely = {}, {}
    for outlet in (worlds.STACK, worlds.SECOND_STACK):
        for factor in (worlds.SO2, worlds.NOX, worlds.O2, worlds.VELOCITY):
            hourly[(outlet, factor)] = channel(HOURS, 60)
            minutely[(outlet, factor)] = channel(MINUTES, 1)
    meters = (
        worlds.meter(make(HOURS), 60, MeterRole.PRODUCTION, name="P"),
        worlds.meter(make(HOURS), 60, MeterRole.TREATMENT, name="T", outlet=worlds.STACK),
    )
    outlets = (worlds.STACK, worlds.SECOND_STACK)
    window = worlds.window(hourly, meters, outlets)
    registry = replace(
        window.registry,
        outlets=tuple(
            Outlet(o, worlds.SITE, "", "coal_power_ultra_low", reference_o2_percent=6.0) for o in outlets
        ),
    )
    return replace(
        window, registry=registry, series={**window.series, **worlds.window(minutely, (), outlets).series}
    )


def honest(size: int) -> Floats:
    return worlds.reading(np.random.default_rng(size), size, mean=12, sd=1.5, resolution=0.01)


def honest_plant() -> Window:
    """Channels of their own, hour means that follow from their minutes, conversions from their oxygen."""
    window = plant(honest)
    rng = np.random.default_rng(11)
    made = {}
    for outlet in window.registry.outlets:
        oxygen: dict[Interval, Floats] = {}
        for factor in (worlds.O2, worlds.SO2, worlds.NOX, worlds.VELOCITY):
            mean, sd = (8.0, 0.6) if factor == worlds.O2 else (12.0, 1.5)
            hours = worlds.reading(rng, HOURS, mean=mean, sd=sd, resolution=0.01)
            noise = rng.normal(0, 0.3, (MINUTES // 60, 60))
            minutes = np.round(hours[: MINUTES // 60, None] + noise - noise.mean(axis=1, keepdims=True), 2)
            for interval, values in ((Interval.HOUR, hours), (Interval.MINUTE, minutes.ravel())):
                if factor == worlds.O2:
                    oxygen[interval] = values
                key = (outlet.outlet_id, factor, interval)
                converted = np.round(values * 15 / (21 - oxygen[interval]), 2)
                made[key] = replace(
                    window.series[key],
                    avg=values,
                    min=values - 0.5,
                    max=values + 0.5,
                    converted_avg=converted,
                )
    steady = tuple(
        worlds.meter(np.full(HOURS, kw), 60, role, name=name, outlet=outlet)
        for kw, role, name, outlet in (
            (900.0, MeterRole.PRODUCTION, "P", None),
            (120.0, MeterRole.TREATMENT, "T", worlds.STACK),
        )
    )
    return replace(window, series=made, power={m.meter_id: series for m, series in steady})


def tampered() -> Window:
    """Something for most rules: frozen and copied stretches, gaps, a wrong conversion."""
    rng = np.random.default_rng(7)

    def make(size: int) -> Floats:
        values = worlds.reading(rng, size, mean=12, sd=1.5, resolution=0.01)
        values[size // 10 : size // 10 + 200] = values[size // 10]
        values[size // 2 : size // 2 + 200] = values[size // 4 : size // 4 + 200]
        values[-size // 3 :] = np.nan
        return values

    return plant(make)


def gaps(size: int) -> Floats:
    return np.full(size, np.nan)


def single(size: int) -> Floats:
    values = np.full(size, np.nan)
    values[size // 2] = 5.0
    return values


WINDOWS: dict[str, Callable[[], Window]] = {
    "no series at all": lambda: replace(plant(honest), series={}, power={}),
    "a site without outlets": lambda: replace(
        plant(honest), registry=Registry(sites=(Site(worlds.SITE, "示例厂"),)), series={}, power={}
    ),
    "all gaps": lambda: plant(gaps),
    "one value": lambda: plant(single),
    "constant": lambda: plant(lambda size: np.full(size, 20.0)),
    "zero": lambda: plant(np.zeros),
    "huge": lambda: plant(lambda size: np.full(size, 1e12)),
    "negative": lambda: plant(lambda size: -honest(size)),
    "honest": lambda: plant(honest),
    "all stopped": lambda: plant(honest, Condition.STOPPED),
    "all faulty": lambda: plant(honest, Condition.FAULT),
    "tampered": tampered,
    "no time at all": lambda: replace(
        plant(honest), series={}, power={}, end=worlds.START, known_until=worlds.START
    ),
}


def said(outcome: Outcome) -> list[str]:
    """Everything an outcome says, as comparable text."""
    findings = [f.finding_id + json.dumps(asdict(f), default=str, sort_keys=True) for f in outcome.findings]
    others = [repr(x) for x in (*outcome.abstentions, *outcome.capture_rates)]
    return sorted(findings + others)


@pytest.mark.parametrize("name", WINDOWS)
def test_any_window_is_judged_and_findings_lie_inside_it(rule: Rule, name: str) -> None:
    window = WINDOWS[name]()
    outcome = rule.evaluate(window)
    for finding in outcome.findings:
        assert window.start <= finding.start < finding.end <= window.end
        check(rule, finding)


def check(rule: Rule, finding: Finding) -> None:
    assert (finding.rule, finding.version, finding.family, finding.grade) == (
        rule.entry.id,
        rule.entry.version,
        rule.entry.family,
        rule.entry.grade,
    )
    assert finding.parameters == parameters_of(rule)
    assert finding.legal_bases == rule.entry.legal_bases
    assert [e.code for e in finding.explanations] == list(rule.entry.explanations)
    assert np.isfinite(finding.statistic) and finding.statistic_name
    assert finding.p_value is None or (0 <= finding.p_value <= 1 and finding.null_model)
    assert json.loads(json.dumps(finding.evidence, allow_nan=False)) == finding.evidence
    for sentence in (finding.sentence_zh, finding.sentence_en):
        assert sentence and not any(stray in sentence for stray in ("{", "}", "nan", "None", "Words("))
    assert "疑似" in finding.sentence_zh


def test_what_a_rule_cannot_judge_it_says_in_both_languages(rule: Rule) -> None:
    outcome = rule.evaluate(WINDOWS["no series at all"]())
    assert not outcome.findings and not outcome.capture_rates
    if rule.entry.id != "compliance.day_limit":  # most outlets have no day limit: nothing to say about it
        assert outcome.abstentions
    for abstention in outcome.abstentions:
        assert abstention.rule == rule.entry.id
        assert abstention.subject and abstention.zh and abstention.en


def test_an_honest_plant_is_left_alone(rule: Rule) -> None:
    assert not rule.evaluate(honest_plant()).findings


def test_the_order_of_outlets_meters_and_series_does_not_matter(rule: Rule) -> None:
    window = tampered()
    registry = window.registry
    turned = replace(
        window,
        registry=replace(registry, outlets=registry.outlets[::-1], meters=registry.meters[::-1]),
        series=dict(reversed(list(window.series.items()))),
        power=dict(reversed(list(window.power.items()))),
    )
    assert said(rule.evaluate(turned)) == said(rule.evaluate(window))


def test_threads_and_repetition_change_nothing(rule: Rule) -> None:
    window = tampered()
    alone = said(rule.evaluate(window))
    with ThreadPoolExecutor(2) as executor:
        together = [said(outcome) for outcome in executor.map(rule.evaluate, [window] * 4)]
    assert together == [alone] * 4


def test_a_window_is_not_changed_by_being_judged(rule: Rule) -> None:
    window = tampered()
    held: list[Series | PowerSeries] = [*window.series.values(), *window.power.values()]
    before = [arrays(series) for series in held]
    rule.evaluate(window)
    for old, series in zip(before, held, strict=True):
        for was, is_now in zip(old, arrays(series), strict=True):
            np.testing.assert_array_equal(was, is_now)


def arrays(series: Series | PowerSeries) -> list[np.ndarray]:
    held = [getattr(series, f.name) for f in fields(series)]
    return [value.copy() for value in held if isinstance(value, np.ndarray)]


def test_ids_differ_within_an_outcome(rule: Rule) -> None:
    findings = rule.evaluate(tampered()).findings
    assert len({f.finding_id for f in findings}) == len(findings)


def test_parameters_and_entry_agree(rule: Rule) -> None:
    assert parameters_of(rule) == rule.entry.defaults
    assert catalogue()[rule.entry.id] == rule.entry
    assert set(rule.entry.legal_bases) <= set(legal_bases())


def test_a_passage_table_of_any_shape_is_no_reason_to_fail(rule: Rule) -> None:
    rule.evaluate(replace(WINDOWS["honest"](), passages=pl.DataFrame()))
