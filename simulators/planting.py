"""Where acts go: an interval in which the line really runs, so that the act is what it claims to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from domain.clock import from_microseconds
from domain.registry import FactorCode, OutletId, SiteId
from simulators.errors import SimulationError
from simulators.load import State
from simulators.measured import OXYGEN
from simulators.noise import Dice
from simulators.plant import LinePlan, PlantPlan, operations
from simulators.tampering import (
    Act,
    ClippedBelowLimit,
    ConstantValue,
    CrossReplay,
    HoursEdited,
    LongFault,
    MarkedStopped,
    OffsetReplay,
    OxygenForgedLow,
    Replay,
    TreatmentIdling,
    TreatmentOff,
    WrongReference,
)
from simulators.timeline import STEP_US, STEPS_PER_HOUR, Timeline

Running = npt.NDArray[np.bool_]


class Ground:
    """One line over one period: finds intervals that run throughout."""

    def __init__(self, dice: Dice, timeline: Timeline, plan: PlantPlan, line: int) -> None:
        self.timeline = timeline
        self.plan = plan
        self.line = plan.lines[line]
        self._running = [operation.state == State.RUNNING for operation in operations(dice, timeline, plan)]
        self._own = line

    def running_at(
        self, share: float, hours: int, source_days: int = 0, neighbour: int | None = None, least: float = 1.0
    ) -> datetime:
        """Start (full hour) of the first interval at or after `share` of the period that runs for `hours`.

        `source_days`: the same hours that many days before run too, on line `neighbour` (None: the same).
        `least`: share of the interval that has to run. Raises SimulationError when there is none.
        """
        running = self._hourly(self._own, hours, least)
        if source_days:
            shift = source_days * 24
            source = self._hourly(self._own if neighbour is None else neighbour, hours, least)
            running[shift:] &= source[: source.size - shift]
            running[:shift] = False
        fit = np.flatnonzero(running)
        wanted = round(share * self.timeline.hours)
        if not fit.size:
            raise SimulationError(f"{self.line.outlet.outlet_id} never runs for {hours} hours in one piece")
        later = fit[fit >= wanted]
        hour = int(later[0] if later.size else fit[-1])
        return from_microseconds(self.timeline.origin_us + hour * STEPS_PER_HOUR * STEP_US)

    def _hourly(self, line: int, hours: int, least: float) -> Running:
        """For each hour, whether an interval of `hours` from there runs for the least share of its steps."""
        steps = np.concatenate(([0], np.cumsum(self._running[line])))
        span = hours * STEPS_PER_HOUR
        if span >= steps.size:
            return np.zeros(self.timeline.hours, bool)
        ran = (steps[span:] - steps[:-span])[::STEPS_PER_HOUR]
        fits = np.zeros(self.timeline.hours, bool)
        count = min(ran.size, fits.size)
        fits[:count] = ran[:count] >= least * span
        return fits


def pollutants(line: LinePlan) -> tuple[FactorCode, ...]:
    return tuple(pollutant.factor for pollutant in line.industry.pollutants)


def gases(line: LinePlan) -> tuple[FactorCode, ...]:
    """The pollutants without dust; a VOC line has its one."""
    return tuple(code for code in pollutants(line) if code != "a34013")


def leading(line: LinePlan) -> tuple[FactorCode, ...]:
    """The gas an operator worries about most: NOx, else the last."""
    nox = FactorCode("a21002")
    return (nox,) if nox in pollutants(line) else gases(line)[-1:]


class Bounds(TypedDict):
    site_id: SiteId
    outlet_id: OutletId
    start: datetime
    end: datetime


def _bounds(ground: Ground, start: datetime, hours: int) -> Bounds:
    outlet = ground.line.outlet
    return Bounds(
        site_id=outlet.site_id,
        outlet_id=outlet.outlet_id,
        start=start,
        end=start + timedelta(hours=hours),
    )


def constant(ground: Ground, share: float, hours: int = 36, factors: tuple[FactorCode, ...] = ()) -> Act:
    start = ground.running_at(share, hours)
    return ConstantValue(**_bounds(ground, start, hours), factors=factors or gases(ground.line))


def replay(ground: Ground, share: float, hours: int = 72, days_before: int = 9) -> Act:
    start = ground.running_at(share, hours, source_days=days_before)
    return Replay(
        **_bounds(ground, start, hours),
        factors=pollutants(ground.line),
        source_start=start - timedelta(days=days_before),
    )


def offset_replay(ground: Ground, share: float, hours: int = 60, days_before: int = 12) -> Act:
    start = ground.running_at(share, hours, source_days=days_before)
    return OffsetReplay(
        **_bounds(ground, start, hours),
        factors=leading(ground.line),
        source_start=start - timedelta(days=days_before),
        offset=3.0,
    )


def cross_replay(ground: Ground, share: float, hours: int = 66, days_before: int = 5) -> Act:
    """From the first line of the plant; `ground` is another."""
    start = ground.running_at(share, hours, source_days=days_before, neighbour=0)
    return CrossReplay(
        **_bounds(ground, start, hours),
        factors=pollutants(ground.line),
        source_start=start - timedelta(days=days_before),
        source_outlet=ground.plan.lines[0].outlet.outlet_id,
    )


def treatment_off(ground: Ground, share: float, hours: int = 9) -> Act:
    return TreatmentOff(**_bounds(ground, ground.running_at(share, hours), hours))


def treatment_off_seen(ground: Ground, share: float, hours: int = 5) -> Act:
    return TreatmentOff(**_bounds(ground, ground.running_at(share, hours), hours), visible=True)


def treatment_idling(ground: Ground, share: float, hours: int = 14) -> Act:
    return TreatmentIdling(**_bounds(ground, ground.running_at(share, hours), hours))


def marked_stopped(ground: Ground, share: float, hours: int = 52) -> Act:
    return MarkedStopped(**_bounds(ground, ground.running_at(share, hours), hours))


def wrong_reference(ground: Ground, share: float, hours: int = 240) -> Act:
    """Folded to two points more O2 than the outlet's own, which makes every folded value smaller."""
    own = ground.line.outlet.reference_o2_percent
    if own is None:
        raise SimulationError(f"{ground.line.outlet.outlet_id} folds nothing: no reference O2 to forge")
    start = ground.running_at(share, hours, least=0.6)
    return WrongReference(**_bounds(ground, start, hours), reference_o2_percent=own + 2)


def oxygen_low(ground: Ground, share: float, hours: int = 144) -> Act:
    start = ground.running_at(share, hours, least=0.6)
    return OxygenForgedLow(**_bounds(ground, start, hours), factors=(OXYGEN,), shift_percent=2.0)


def hours_edited(ground: Ground, share: float, hours: int = 96) -> Act:
    start = ground.running_at(share, hours, least=0.6)
    return HoursEdited(**_bounds(ground, start, hours), factors=leading(ground.line), share=0.82)


def clipped(ground: Ground, share: float, hours: int = 900) -> Act:
    """At 0.75 of the limit where the operator aims low: the act is in the shape, not in the place."""
    start = ground.running_at(share, hours, least=0.5)
    (code,) = leading(ground.line)
    wish = next(p.share for p in ground.line.industry.pollutants if p.factor == code) * ground.line.aim
    ceiling = round(ground.line.limit_of(code) * min(0.98, wish * 1.12), 1)
    return ClippedBelowLimit(**_bounds(ground, start, hours), factors=(code,), ceiling_mg_m3=ceiling)


def long_fault(ground: Ground, share: float, hours: int = 30 * 24) -> Act:
    start = ground.running_at(share, hours, least=0.8)
    return LongFault(**_bounds(ground, start, hours), factors=(*gases(ground.line), OXYGEN))


Planter = Callable[[Ground, float], Act]

#: Every act by kind, each with its usual length; share says where in the period.
PLANTERS: Mapping[str, Planter] = MappingProxyType(
    {
        "constant_value": constant,
        "replay": replay,
        "offset_replay": offset_replay,
        "cross_replay": cross_replay,
        "treatment_off": treatment_off,
        "treatment_off_seen": treatment_off_seen,
        "treatment_idling": treatment_idling,
        "marked_stopped": marked_stopped,
        "wrong_reference": wrong_reference,
        "oxygen_forged_low": oxygen_low,
        "hours_edited": hours_edited,
        "clipped_below_limit": clipped,
        "capture_rate_loss": long_fault,
    }
)
