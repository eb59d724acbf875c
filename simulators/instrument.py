"""The CEMS between the gas and the device: resolution, calibration, maintenance, faults, gaps.

Periods follow HJ 75-2017 chapter 11: gas analysers calibrate every day, inspection every week.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.registry import FactorCode
from domain.standards import CONDITION_CODES, Condition, factor, flag_dictionary
from simulators.load import State, States
from simulators.measured import Measured, rounded
from simulators.noise import Dice, Floats, episodes
from simulators.timeline import STEPS_PER_DAY, STEPS_PER_HOUR, Timeline

#: Factors of one instrument fail and are calibrated together.
DUST, GAS, FLUE = "dust", "gas", "flue"


@dataclass(frozen=True)
class InstrumentPlan:
    """`resolution`: smallest step shown per factor, for instruments coarser than the factor's decimals;
    the gas analyser calibrates daily from `calibration_step` of the local day on, `calibration_steps` long.
    """

    resolution: Mapping[FactorCode, float] = field(default_factory=dict)
    calibration_step: int = 12
    calibration_steps: int = 1
    maintenance_weekday: int = 1
    fault_gap_days: float = 45.0
    outage_gap_days: float = 40.0


def instrument_of(code: FactorCode) -> str:
    if code == "a34013":
        return DUST
    if code == "a19001" or factor(code).kind == "pollutant":
        return GAS
    return FLUE


def measure(
    dice: Dice,
    timeline: Timeline,
    plan: InstrumentPlan,
    dictionary_id: str,
    state: States,
    gas: Mapping[FactorCode, Floats],
) -> Measured:
    """Ten-minute rows of one outlet, in the order of `gas`, in conditions the flag dictionary can say."""
    factors = tuple(gas)
    size = timeline.size
    avg, low, high = (np.empty((len(factors), size)) for _ in range(3))
    for row, code in enumerate(factors):
        avg[row], low[row], high[row] = _shown(dice.of(code), plan, code, gas[code])
    condition = _conditions(dice, timeline, plan, dictionary_id, state, factors)
    measured = Measured(factors, avg, low, high, condition, _present(dice, timeline, plan))
    _show_disturbances(measured)
    return measured


def _shown(dice: Dice, plan: InstrumentPlan, code: FactorCode, true: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, least and greatest value of each interval."""
    chance = dice.generator().standard_normal((true.size, 3))
    scale = 0.004 * np.abs(true) + 10.0 ** -factor(code).decimals
    signed = code in ("a01013", "a01012")
    mean = true + scale * chance[:, 0]
    spread = (0.03 if not signed else 0.01) * np.abs(true) + scale
    least, greatest = (
        mean - spread * (0.4 + np.abs(chance[:, 1])),
        mean + spread * (0.4 + np.abs(chance[:, 2])),
    )
    values = (mean, least, greatest) if signed else tuple(v.clip(0) for v in (mean, least, greatest))
    step = plan.resolution.get(code)
    if step is not None:
        values = tuple(np.round(value / step) * step for value in values)
    shown = [rounded(code, value) for value in values]
    if code == "a19001":
        shown = [value.clip(0, 21) for value in shown]
    return shown[0], shown[1], shown[2]


def _conditions(
    dice: Dice,
    timeline: Timeline,
    plan: InstrumentPlan,
    dictionary_id: str,
    state: States,
    factors: tuple[FactorCode, ...],
) -> npt.NDArray[np.uint8]:
    can_say = {meaning.condition for meaning in flag_dictionary(dictionary_id).flags}
    of_state = {
        State.RUNNING: Condition.VALID,
        State.STARTING: Condition.STARTING if Condition.STARTING in can_say else Condition.VALID,
        State.STOPPING: Condition.STOPPING if Condition.STOPPING in can_say else Condition.VALID,
        State.STOPPED: Condition.STOPPED,
    }
    by_state = np.array([CONDITION_CODES[of_state[s]] for s in State], np.uint8)[state]
    stopped = state == State.STOPPED
    step_of_day = np.round(timeline.hour_of_day() * STEPS_PER_HOUR).astype(np.int64)
    calibrating = (step_of_day >= plan.calibration_step) & (
        step_of_day < plan.calibration_step + plan.calibration_steps
    )
    inspected = (
        (timeline.weekday() == plan.maintenance_weekday)
        & (step_of_day >= 10 * STEPS_PER_HOUR)
        & (step_of_day < 11 * STEPS_PER_HOUR)
    )
    condition = np.repeat(by_state[None, :], len(factors), axis=0)
    faults = {
        kind: _spells(dice.of("fault", kind), timeline.size, plan.fault_gap_days, 2.5, 1.1)
        for kind in (DUST, GAS, FLUE)
    }
    for row, code in enumerate(factors):
        kind = instrument_of(code)
        if kind == GAS:
            condition[row, calibrating & ~stopped] = CONDITION_CODES[Condition.CALIBRATION]
        condition[row, inspected & ~stopped] = CONDITION_CODES[Condition.MAINTENANCE]
        condition[row, faults[kind] & ~stopped] = CONDITION_CODES[Condition.FAULT]
    condition[:, ~_present(dice, timeline, plan)] = CONDITION_CODES[Condition.MISSING]
    return condition


def _present(dice: Dice, timeline: Timeline, plan: InstrumentPlan) -> npt.NDArray[np.bool_]:
    """False where the logger was without power: those rows exist nowhere."""
    return ~_spells(dice.of("outage"), timeline.size, plan.outage_gap_days, 1.5, 1.0)


def _spells(dice: Dice, size: int, gap_days: float, hours: float, spread: float) -> npt.NDArray[np.bool_]:
    marked = np.zeros(size, bool)
    for spell in episodes(dice, size, gap_days, hours, spread, whole_hours=False):
        marked[spell.first : min(spell.last, spell.first + 6 * STEPS_PER_DAY)] = True
    return marked


def _show_disturbances(measured: Measured) -> None:
    """Calibration shows zero gas, a broken analyser zero, a missing row nothing."""
    for conditions, shown in (
        ((Condition.CALIBRATION, Condition.FAULT), 0.0),
        ((Condition.MISSING,), np.nan),
    ):
        hit = np.isin(measured.condition, [CONDITION_CODES[c] for c in conditions])
        for plane in (measured.avg, measured.min, measured.max):
            plane[hit] = shown
