"""标停未停: a declared stop against power, flow, oxygen and temperature."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.analysis.stops import unbelieved_stops
from detectors.catalogue import load_rules
from detectors.window import Floats, Window
from domain.registry import Mark, MeterRole, Registry
from domain.standards import CONDITION_CODES, Condition
from tests.detectors.worlds import (
    O2,
    SO2,
    STACK,
    START,
    TEMPERATURE,
    VELOCITY,
    ar1,
    meter,
    reading,
    series,
    window,
)

RULE = load_rules(["fabrication.stopped_running"])[0]
HOURS = 720
STOP = slice(300, 348)


def plant(
    seed: int,
    *,
    really_stopped: bool,
    with_power: bool = True,
    with_stack: bool = True,
    by_mark: bool = False,
) -> Window:
    """One line with a declared stop of two days, true or not."""
    rng = np.random.default_rng(seed)
    runs = np.ones(HOURS, bool)
    if really_stopped:
        runs[STOP] = False
    flags = np.full(HOURS, CONDITION_CODES[Condition.VALID], np.uint8)
    if not by_mark:
        flags[STOP] = CONDITION_CODES[Condition.STOPPED]
    kw = 900 * np.where(runs, 1.0, 0.03) * (1 + 0.04 * ar1(rng, HOURS, 0.8))

    def channel(on: float, off: float, sd: float) -> Floats:
        return np.maximum(np.where(runs, on, off) + sd * ar1(rng, HOURS, 0.8), 0)

    stack = {
        (STACK, VELOCITY): series(channel(12, 0.3, 0.3), flags=flags),
        (STACK, TEMPERATURE): series(channel(90, 25, 2), flags=flags),
        (STACK, O2): series(channel(9, 20.8, 0.1), flags=flags),
    }
    readings = {(STACK, SO2): series(reading(rng, HOURS), flags=flags), **(stack if with_stack else {})}
    meters = (meter(kw, 60, MeterRole.PRODUCTION, name="P1"),) if with_power else ()
    grid = readings[STACK, SO2].grid
    mark = Mark(STACK, grid.time(STOP.start), grid.time(STOP.stop), "stopped")
    return window(readings, meters, registry=Registry(marks=(mark,) if by_mark else ()))


@pytest.mark.parametrize("by_mark", [False, True])
@pytest.mark.parametrize(("with_power", "with_stack"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("seed", range(3))
def test_a_false_stop_is_found_and_a_true_one_is_believed(
    seed: int, with_power: bool, with_stack: bool, by_mark: bool
) -> None:
    false = plant(seed, really_stopped=False, with_power=with_power, with_stack=with_stack, by_mark=by_mark)
    (finding,) = RULE.evaluate(false).findings
    assert (finding.start, finding.statistic) == (false.series[next(iter(false.series))].grid.time(300), 48)
    assert np.flatnonzero(unbelieved_stops(false, STACK)).tolist() == list(range(300, 348))
    true = plant(seed, really_stopped=True, with_power=with_power, with_stack=with_stack, by_mark=by_mark)
    assert not RULE.evaluate(true).findings
    assert not unbelieved_stops(true, STACK).any()


def test_the_edges_of_a_stop_are_run_down_and_start_up() -> None:
    world = plant(1, really_stopped=True)
    kw = next(iter(world.power.values())).kw
    kw[300] = kw[347] = 800.0
    assert not RULE.evaluate(world).findings


def test_a_stop_nothing_can_speak_about_is_no_finding_but_said() -> None:
    world = plant(2, really_stopped=False, with_power=False, with_stack=False)
    outcome = RULE.evaluate(world)
    assert not outcome.findings
    assert [a.subject for a in outcome.abstentions] == [STACK]


def test_standby_power_of_a_plant_never_seen_at_work_is_no_sign_of_running() -> None:
    flags = np.full(HOURS, CONDITION_CODES[Condition.STOPPED], np.uint8)
    rng = np.random.default_rng(3)
    standby = meter(20 + ar1(rng, HOURS, 0.5), 60, MeterRole.PRODUCTION, name="P1")
    world = window({(STACK, SO2): series(reading(rng, HOURS), flags=flags)}, (standby,))
    assert not RULE.evaluate(world).findings


def test_the_sentence_carries_the_numbers_and_accuses_nobody() -> None:
    (finding,) = RULE.evaluate(plant(4, really_stopped=False)).findings
    assert finding.start > START
    assert "疑似" in finding.sentence_zh
    assert "千瓦" in finding.sentence_zh
    assert "kW" in finding.sentence_en
