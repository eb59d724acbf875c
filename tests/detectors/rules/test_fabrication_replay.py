"""Replays: as short as the habits of a series allow, in an outlet, across outlets, and at the same time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from detectors.catalogue import load_rules
from detectors.window import Floats, Window
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, OutletId
from domain.standards import CONDITION_CODES, Condition
from tests.detectors.worlds import (
    HOURS_A_QUARTER,
    NOX,
    SECOND_STACK,
    SO2,
    STACK,
    ar1,
    reading,
    series,
    window,
)

RULE = load_rules(["fabrication.replay"])[0]


def judge(
    channels: Mapping[tuple[OutletId, FactorCode], Floats], minutes: int = 60
) -> tuple[Window, tuple[Finding, ...]]:
    outlets = tuple(sorted({outlet for outlet, _ in channels}))
    world = window({key: series(values, minutes) for key, values in channels.items()}, outlets=outlets)
    return world, RULE.evaluate(world).findings


@pytest.mark.parametrize(("minutes", "phi"), [(60, 0.5), (60, 0.9), (60, 0.99), (10, 0.9), (10, 0.998)])
@pytest.mark.parametrize("sd", [0.1, 0.2, 0.5, 3.0])
def test_honest_series_never_fire_however_coarse_or_slow(minutes: int, phi: float, sd: float) -> None:
    for seed in range(3):
        rng = np.random.default_rng([seed, minutes])
        size = 60 // minutes * HOURS_A_QUARTER
        pair = {o: reading(rng, size, sd=sd, phi=phi) for o in (STACK, SECOND_STACK)}
        assert judge({(o, SO2): v for o, v in pair.items()}, minutes)[1] == ()


def test_honest_daily_rhythm_on_a_coarse_scale_never_fires() -> None:
    day = 4 * np.sin(np.arange(HOURS_A_QUARTER) * 2 * np.pi / 24)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = np.round(30 + day + 0.4 * ar1(rng, HOURS_A_QUARTER, 0.7))
        assert judge({(STACK, SO2): values})[1] == ()


@pytest.mark.parametrize("minutes", [60, 10])
@pytest.mark.parametrize("offset", [0.0, 1.7])
@pytest.mark.parametrize("seed", range(6))
def test_a_day_played_again_is_found_with_its_source(seed: int, offset: float, minutes: int) -> None:
    rng = np.random.default_rng(seed)
    values = reading(rng, 60 // minutes * HOURS_A_QUARTER)
    day = 1440 // minutes
    source, copy = 10 * day + 3, 40 * day + 3
    values[copy : copy + day] = np.round(values[source : source + day] + offset, 1)
    world, (finding,) = judge({(STACK, SO2): values}, minutes)
    grid = world.series[next(iter(world.series))].grid
    assert abs((finding.start - grid.time(copy)) / grid.step) <= 2
    assert abs((finding.end - grid.time(copy + day)) / grid.step) <= 2
    assert finding.evidence["offset"] == pytest.approx(offset)
    assert ("常数" in finding.sentence_zh) == bool(offset)


def test_twelve_fine_points_are_enough_and_twelve_coarse_ones_are_not() -> None:
    rng = np.random.default_rng(1)
    fine, coarse = reading(rng), reading(rng, sd=0.1, phi=0.95)
    for values in (fine, coarse):
        values[1500:1512] = values[300:312]
    assert len(judge({(STACK, SO2): fine})[1]) == 1
    assert judge({(STACK, SO2): coarse})[1] == ()


def test_a_replay_goes_on_over_calibration_hours() -> None:
    rng = np.random.default_rng(2)
    values = reading(rng)
    values[1000:1072] = values[400:472]
    flags = np.full(values.size, CONDITION_CODES[Condition.VALID], np.uint8)
    flags[::24] = CONDITION_CODES[Condition.CALIBRATION]
    values[::24] = 0.0
    (finding,) = RULE.evaluate(window({(STACK, SO2): series(values, flags=flags)})).findings
    assert finding.evidence["hours"] == pytest.approx(72, abs=2)


def test_factors_copied_together_are_one_finding() -> None:
    rng = np.random.default_rng(3)
    channels = {(STACK, code): reading(rng) for code in (SO2, NOX)}
    for values in channels.values():
        values[1000:1048] = values[400:448]
    _, (finding,) = judge(channels)
    assert finding.factor is None
    members = finding.evidence["members"]
    assert isinstance(members, list)
    assert {m["factor"] for m in members} == {SO2, NOX}


def test_copies_between_outlets_name_both_and_the_later_one_is_the_copy() -> None:
    rng = np.random.default_rng(4)
    channels = {(o, SO2): reading(rng) for o in (STACK, SECOND_STACK)}
    channels[STACK, SO2][1000:1040] = channels[SECOND_STACK, SO2][600:640]
    _, (finding,) = judge(channels)
    assert (finding.outlet_id, finding.evidence["source_outlet"]) == (STACK, SECOND_STACK)
    assert finding.subject == f"{SECOND_STACK} → {STACK}"


def test_twins_at_the_same_time_are_a_finding_of_their_own_kind() -> None:
    rng = np.random.default_rng(5)
    channels = {(o, SO2): reading(rng) for o in (STACK, SECOND_STACK)}
    channels[SECOND_STACK, SO2][1000:1040] = channels[STACK, SO2][1000:1040]
    _, (finding,) = judge(channels)
    assert finding.subject == f"{STACK} = {SECOND_STACK}"
    assert "孪生" in finding.sentence_zh
    channels[SECOND_STACK, SO2] = channels[STACK, SO2].copy()
    _, (always,) = judge(channels)
    assert {e.code: e.verdict for e in always.explanations}["shared_analyser"] is Verdict.SUPPORTED


def test_frozen_stretches_are_left_to_the_rule_of_constants() -> None:
    rng = np.random.default_rng(6)
    values = reading(rng)
    for start in (300, 900, 1500):
        values[start : start + 48] = 31.3
    assert judge({(STACK, SO2): values})[1] == ()


def test_a_week_played_in_a_loop_is_found() -> None:
    rng = np.random.default_rng(7)
    values = reading(rng)
    for week in range(1, 5):
        values[1000 + 168 * week : 1168 + 168 * week] = values[1000:1168]
    _, found = judge({(STACK, SO2): values})
    assert found
    assert found[0].evidence["hours"] == pytest.approx(4 * 168, abs=2)
