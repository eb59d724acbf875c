"""Treatment off or idling while production runs: found when all units rest, silent on honest habits."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.catalogue import load_rules
from detectors.window import Floats, PowerSeries, Window
from domain.findings import Finding
from domain.registry import Meter, MeterId, MeterRole
from tests.detectors.worlds import SECOND_STACK, SO2, STACK, ar1, meter, reading, series, window

RULE = load_rules(["bypass.treatment_off"])[0]
STEP = 10
DAY = 144
DAYS = 30
SIZE = DAYS * DAY


def machine(rng: np.random.Generator, kw: float, running: np.ndarray) -> Floats:
    """Power of a machine that draws 2 % when at rest."""
    return kw * np.where(running, 1.0, 0.02) * (1 + 0.03 * ar1(rng, running.size, 0.9))


def shifts() -> np.ndarray:
    """Production from 6 to 22 h."""
    hour = np.arange(SIZE) % DAY / 6
    return (hour >= 6) & (hour < 22)


def plant(
    production: Floats, *treatment: Floats, line: str = "1", minutes: int = STEP
) -> tuple[Window, list[Finding]]:
    meters: list[tuple[Meter, PowerSeries]] = [
        meter(production, minutes, MeterRole.PRODUCTION, name="P1", line=line)
    ]
    meters += [
        meter(kw, minutes, MeterRole.TREATMENT, name=f"T{i}", line=line, outlet=STACK)
        for i, kw in enumerate(treatment)
    ]
    rng = np.random.default_rng(0)
    world = window({(STACK, SO2): series(reading(rng, DAYS * 24))}, tuple(meters))
    return world, list(RULE.evaluate(world).findings)


@pytest.mark.parametrize("seed", range(5))
def test_four_hours_without_treatment_are_found_to_the_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = np.ones(SIZE, bool)
    rests = runs.copy()
    rests[1000:1024] = False
    world, found = plant(machine(rng, 900, runs), machine(rng, 200, rests))
    assert [(f.start, f.end) for f in found] == [
        (world.power[MeterId("P1")].grid.time(1000), world.power[MeterId("P1")].grid.time(1024))
    ]
    assert found[0].evidence["hours"] == pytest.approx(4.0)
    assert "停运" in found[0].sentence_zh


@pytest.mark.parametrize("seed", range(5))
def test_idling_at_a_third_of_its_power_is_found_and_named(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = np.ones(SIZE, bool)
    treatment = machine(rng, 200, runs)
    treatment[1000:1030] *= 0.35
    _, found = plant(machine(rng, 900, runs), treatment)
    assert len(found) == 1
    assert "idling" in found[0].sentence_en


@pytest.mark.parametrize("line", ["1", ""])
@pytest.mark.parametrize("seed", range(5))
def test_shifts_with_lags_and_stops_never_fire(seed: int, line: str) -> None:
    rng = np.random.default_rng(seed)
    runs = shifts()
    lagging = np.roll(runs, 1) & np.roll(runs, -2)  # up after 10 min, down 20 min before
    assert plant(machine(rng, 900, runs), machine(rng, 200, lagging), line=line)[1] == []


@pytest.mark.parametrize("seed", range(5))
def test_spare_units_that_take_turns_never_fire_and_both_off_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = np.ones(SIZE, bool)
    first = (np.arange(SIZE) // (5 * DAY)) % 2 == 0
    small = machine(rng, 120, ~first)
    assert plant(machine(rng, 900, runs), machine(rng, 200, first), small)[1] == []
    neither = np.ones(SIZE, bool)
    neither[2000:2030] = False
    found = plant(machine(rng, 900, runs), machine(rng, 200, first & neither), small * neither)[1]
    assert len(found) == 1
    assert found[0].statistic == pytest.approx(5.0)


def test_fans_that_follow_the_load_do_not_idle() -> None:
    rng = np.random.default_rng(4)
    load = 0.75 + 0.2 * np.sin(np.arange(SIZE) * 2 * np.pi / DAY) + 0.02 * ar1(rng, SIZE, 0.95)
    assert plant(900 * load, 200 * load**3 * (1 + 0.02 * ar1(rng, SIZE, 0.5)))[1] == []


def test_a_silent_treatment_meter_proves_nothing() -> None:
    rng = np.random.default_rng(5)
    runs = np.ones(SIZE, bool)
    treatment = machine(rng, 200, runs)
    treatment[1000:1100] = np.nan
    assert plant(machine(rng, 900, runs), treatment)[1] == []


def test_treatment_that_never_ran_is_known_by_its_rated_power() -> None:
    rng = np.random.default_rng(6)
    runs = np.ones(SIZE, bool)
    production = meter(machine(rng, 900, runs), STEP, MeterRole.PRODUCTION, name="P1")
    kw = machine(rng, 200, ~runs)
    treatment, power = meter(kw, STEP, MeterRole.TREATMENT, name="T1", outlet=STACK)
    rated = Meter(treatment.meter_id, treatment.site_id, treatment.role, "1", 250.0, STACK)
    world = window({(STACK, SO2): series(reading(rng, DAYS * 24))}, (production, (rated, power)))
    found = RULE.evaluate(world).findings
    assert len(found) == 1
    assert found[0].statistic == pytest.approx(DAYS * 24)


def test_without_lines_meters_pair_by_outlet_and_else_all_of_the_site() -> None:
    rng = np.random.default_rng(8)
    runs = np.ones(SIZE, bool)
    rests = runs.copy()
    rests[1000:1030] = False
    kw = {"P1": machine(rng, 900, runs), "P2": machine(rng, 900, rests), "T2": machine(rng, 200, rests)}
    kw["T1"] = machine(rng, 200, runs)
    stacks = {"1": STACK, "2": SECOND_STACK}

    def judged(*, named: bool, bypassed: str = "") -> tuple[Finding, ...]:
        meters = []
        for name, values in kw.items():
            role = MeterRole.PRODUCTION if name[0] == "P" else MeterRole.TREATMENT
            outlet = stacks[name[1]] if named or role is MeterRole.TREATMENT else None
            shown = machine(rng, 200, rests) if name == bypassed else values
            meters.append(meter(shown, STEP, role, name=name, line="", outlet=outlet))
        channel = {(STACK, SO2): series(reading(rng, DAYS * 24))}
        return RULE.evaluate(window(channel, tuple(meters), (STACK, SECOND_STACK))).findings

    assert judged(named=True) == ()  # the second line rests as a whole
    assert judged(named=False) == ()
    assert [f.outlet_id for f in judged(named=True, bypassed="T1")] == [STACK]


def test_hourly_meters_work_too() -> None:
    rng = np.random.default_rng(7)
    runs = np.ones(DAYS * 24, bool)
    rests = runs.copy()
    rests[100:104] = False
    _, found = plant(machine(rng, 900, runs), machine(rng, 200, rests), minutes=60)
    assert [f.statistic for f in found] == [pytest.approx(4.0)]
