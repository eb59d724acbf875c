"""Pollutants behind the treatment: what the stack really emits, and what it would emit without treatment.

The folded concentration wanders around what the operator aims at; false air dilutes it by
(21 - O2) / (21 - O2 reference), so that start-up and purge stay physical.
"""

from __future__ import annotations

import numpy as np

from domain.registry import FactorCode
from simulators.industry import Industry, Pollutant
from simulators.load import Operation, State
from simulators.noise import Dice, Floats, autocorrelated, episodes
from simulators.timeline import Timeline


def emit(
    dice: Dice,
    timeline: Timeline,
    industry: Industry,
    aim: float,
    limits: dict[FactorCode, float],
    reference_o2: float | None,
    operation: Operation,
    o2: Floats,
    treated: Floats,
) -> dict[FactorCode, Floats]:
    """Measured (not folded) concentration in mg/m³ of each pollutant, per step.

    `aim`: this operator against the typical one (1 = typical share of the limit); `treated`: share of the
    treatment at work, 0 to 1.
    """
    upset = _upsets(dice.of("upset"), timeline)
    dilution = np.ones(timeline.size) if reference_o2 is None else (21 - o2) / (21 - reference_o2)
    on = np.select([operation.state == State.STOPPED, operation.state == State.STOPPING], [0.0, 0.25], 1.0)
    stack = {}
    for pollutant in industry.pollutants:
        folded = _folded(dice.of(pollutant.factor), timeline, pollutant, aim, limits[pollutant.factor])
        loss = treated + (1 - treated) * pollutant.untreated
        if pollutant.untreated > 1:
            loss = loss * upset
        floor = 0.04 * abs(autocorrelated(dice.of(pollutant.factor, "zero"), timeline.size, 6.0, 1.0))
        stack[pollutant.factor] = folded * loss * dilution * on + floor
    return stack


def _folded(dice: Dice, timeline: Timeline, pollutant: Pollutant, aim: float, limit: float) -> Floats:
    slow = autocorrelated(dice.of("slow"), timeline.size, 30.0, 0.8 * pollutant.spread)
    fast = autocorrelated(dice.of("fast"), timeline.size, 1.2, 0.6 * pollutant.spread)
    return limit * pollutant.share * aim * np.exp(slow + fast)


def _upsets(dice: Dice, timeline: Timeline) -> Floats:
    """Honest trouble of the treatment, a few hours a quarter: a factor on the concentration."""
    factor = np.ones(timeline.size)
    for upset in episodes(dice, timeline.size, 70.0, 1.5, 0.4, whole_hours=False):
        factor[upset.first : upset.last] = 2.2
    return factor
