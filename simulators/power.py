"""Electricity of one line: production, and treatment units that share the work or take turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.industry import Industry
from simulators.load import Operation, State
from simulators.noise import Dice, Floats, autocorrelated
from simulators.timeline import STEPS_PER_DAY, Timeline

#: A stopped machine still draws this share of its rated power: lights, controls, heaters.
IDLE_SHARE = 0.02


@dataclass(frozen=True)
class LinePower:
    """kW per step: `production` (T), `treatment` (units, T). Acts change these arrays."""

    production: Floats
    treatment: Floats


def draw(dice: Dice, timeline: Timeline, industry: Industry, size: float, operation: Operation) -> LinePower:
    steps = timeline.size
    making = (operation.state == State.RUNNING) | (operation.state == State.STARTING)
    purging = operation.state == State.STOPPING
    ripple = 1 + autocorrelated(dice.of("production"), steps, 1.0, 0.02)
    rated = rated_production_kw(industry, size)
    production = rated * np.select([making, purging], [0.18 + 0.72 * operation.load, 0.05], IDLE_SHARE)
    unit_rated = rated_treatment_kw(industry, size)
    work = np.where(making | purging, 0.42 + 0.5 * operation.draught, 0.0)
    count = industry.treatment_units + industry.spare_units
    treatment = np.empty((count, steps))
    on_duty = duty(dice.of("duty"), steps, industry)
    for unit in range(count):
        noise = 1 + autocorrelated(dice.of("treatment", str(unit)), steps, 0.8, 0.025)
        treatment[unit] = unit_rated * np.maximum(work * on_duty[unit], IDLE_SHARE * 0.8) * noise
    return LinePower(production * ripple, treatment)


def duty(dice: Dice, steps: int, industry: Industry) -> npt.NDArray[np.bool_]:
    """Which units are at work: all, or with a spare all but one in turns of about nine days."""
    count = industry.treatment_units + industry.spare_units
    on_duty = np.ones((count, steps), bool)
    if not industry.spare_units:
        return on_duty
    generator = dice.generator()
    first, resting = 0, int(generator.integers(count))
    while first < steps:
        last = first + round(generator.uniform(6, 12) * STEPS_PER_DAY)
        on_duty[resting, first + 1 : last] = False  # one step of both while they change over
        first, resting = last, (resting + 1) % count
    return on_duty


def rated_production_kw(industry: Industry, size: float) -> float:
    return float(round(industry.production_kw * size, -1))


def rated_treatment_kw(industry: Industry, size: float) -> float:
    """Of one unit."""
    return float(round(industry.treatment_kw * size / industry.treatment_units))


def office_kw(dice: Dice, timeline: Timeline, scale_kw: float) -> Floats:
    """Everything behind the main meter that is not metered on its own."""
    hour = timeline.hour_of_day()
    day = 0.5 + 0.5 * np.exp(-(((hour - 13) / 5) ** 2))
    ripple = 1 + autocorrelated(dice, timeline.size, 2.0, 0.06).clip(-0.5, 0.5)
    return np.asarray(scale_kw * day * ripple, np.float64)
