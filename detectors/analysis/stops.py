"""Hours a plant calls stopped, and what power and the stack itself say about them (标停未停, domain F17)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.averaging import hour_grid, hour_of_interval, mean_by_hour, on_hours
from detectors.analysis.operation import Bools, production_by_hour, production_of
from detectors.kernels.runs import runs_of
from detectors.window import Floats, Window
from domain.clock import Interval, to_microseconds
from domain.registry import FactorCode, OutletId
from domain.standards import CONDITION_CODES, Condition, mark_kinds

FLOW, VELOCITY = FactorCode("a00000"), FactorCode("a01011")
TEMPERATURE, OXYGEN = FactorCode("a01012"), FactorCode("a19001")

#: Fewer running hours than this do not show what running looks like.
LEARNED_HOURS = 24
#: A stack this cold while running tells nothing by its temperature, °C.
WARM_STACK = 40.0


@dataclass(frozen=True)
class Doubt:
    """When a stop is not believed. The first and last `edge_hours` of a stop may be run-down and start-up."""

    power_share: float = 0.5
    flow_share: float = 0.5
    most_oxygen_percent: float = 18.0
    edge_hours: int = 1
    least_hours: int = 2


@dataclass(frozen=True)
class Signs:
    """Per hour of `hour_grid`: levels as shares of running ones, NaN if unknown; `*_on` shows running."""

    kw: Floats
    power: Floats
    flow: Floats
    temperature: Floats
    oxygen: Floats
    power_on: Bools
    flow_on: Bools
    temperature_on: Bools
    oxygen_on: Bools


def stopped_hours(window: Window, outlet_id: OutletId) -> Bools:
    """Hours that most reporting factors flag stopped, or that lie wholly inside a mark that says stopped."""
    hours = hour_grid(window)
    says, speaks = np.zeros(hours.size), np.zeros(hours.size)
    for (outlet, factor, interval), series in window.series.items():
        if outlet != outlet_id or interval not in (Interval.HOUR, Interval.MINUTE):
            continue
        if interval is Interval.MINUTE and (outlet, factor, Interval.HOUR) in window.series:
            continue
        hour = hour_of_interval(series.grid, hours)
        inside = (hour >= 0) & (hour < hours.size)
        reported = inside & (series.condition != CONDITION_CODES[Condition.MISSING])
        flagged = inside & (series.condition == CONDITION_CODES[Condition.STOPPED])
        speaks += np.bincount(hour[reported], minlength=hours.size) * series.grid.step_us
        says += np.bincount(hour[flagged], minlength=hours.size) * series.grid.step_us
    stopped: Bools = (speaks > 0) & (2 * says > speaks)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        if mark.outlet_id == outlet_id and kind and kind.plane is Condition.STOPPED:
            first = -((hours.start_us - to_microseconds(mark.start)) // hours.step_us)
            last = (to_microseconds(mark.end) - hours.start_us) // hours.step_us
            stopped[max(0, first) : max(0, last)] = True
    return stopped


def signs_of(window: Window, outlet_id: OutletId, stopped: Bools, doubt: Doubt) -> Signs:
    """What power, flow, temperature and oxygen show, each against the hours not called stopped."""
    kw, power = production_by_hour(window, outlet_id)
    running = ~stopped
    meters, _ = production_of(window.registry, outlet_id)
    worked = np.count_nonzero(running & (power >= doubt.power_share)) >= LEARNED_HOURS
    if not (worked or (meters and all(m.rated_kw for m in meters))):
        power = np.full(power.size, np.nan)  # never seen at work: its level means nothing
    flow = _share(_values(window, outlet_id, VELOCITY), running)
    volume = _share(_values(window, outlet_id, FLOW), running)
    flow = np.where(np.isnan(flow), volume, flow)
    temperature = _values(window, outlet_id, TEMPERATURE)
    oxygen = _values(window, outlet_id, OXYGEN)
    warm, usual_oxygen = _quantile(temperature, running, 0.05), _quantile(oxygen, running, 0.95)
    return Signs(
        kw=kw,
        power=power,
        flow=flow,
        temperature=temperature,
        oxygen=oxygen,
        power_on=power >= doubt.power_share,
        flow_on=flow >= doubt.flow_share,
        temperature_on=(temperature >= warm) & (warm >= WARM_STACK),
        oxygen_on=(oxygen < doubt.most_oxygen_percent) & (oxygen <= usual_oxygen + 1.0),
    )


def unbelieved_stops(window: Window, outlet_id: OutletId, doubt: Doubt | None = None) -> Bools:
    """Hours of `hour_grid(window)` called stopped in which the source ran.

    Production power at work is enough; where no meter speaks, flow together with oxygen (or, without oxygen,
    with temperature); against a meter that stands still, all three. A stop is doubted from `least_hours`
    such hours in a row, apart from its edges; edges with signs of running then count too.
    """
    doubt = doubt or Doubt()
    stopped = stopped_hours(window, outlet_id)
    return doubted(stopped, signs_of(window, outlet_id, stopped, doubt), doubt)


def doubted(stopped: Bools, signs: Signs, doubt: Doubt) -> Bools:
    """The hours of `unbelieved_stops` from what was called stopped and what was seen."""
    second = np.where(np.isnan(signs.oxygen), signs.temperature_on, signs.oxygen_on)
    all_three = signs.flow_on & signs.oxygen_on & signs.temperature_on
    stack = np.where(np.isnan(signs.power), signs.flow_on & second, all_three)
    ran = stopped & (signs.power_on | stack)
    core = ran.copy()
    for first, end in zip(*runs_of(stopped), strict=True):
        if first > 0:
            core[first : first + doubt.edge_hours] = False
        if end < stopped.size:
            core[max(first, end - doubt.edge_hours) : end] = False
    out = np.zeros(stopped.size, bool)
    cores = [(f, e) for f, e in zip(*runs_of(core), strict=True) if e - f >= doubt.least_hours]
    for first, end in zip(*runs_of(ran), strict=True):
        out[first:end] = any(first <= f and e <= end for f, e in cores)
    return out


def _values(window: Window, outlet_id: OutletId, factor: FactorCode) -> Floats:
    """Hour means of whatever was reported, flags aside: a stopped source still measures."""
    hours = hour_grid(window)
    own = window.series.get((outlet_id, factor, Interval.HOUR))
    if own is not None:
        return on_hours(own, hours).avg
    finer = window.series.get((outlet_id, factor, Interval.MINUTE))
    if finer is None:
        return np.full(hours.size, np.nan)
    hour = hour_of_interval(finer.grid, hours)
    inside = (hour >= 0) & (hour < hours.size)
    return mean_by_hour(finer.avg, inside, hour, hours.size)


def _share(values: Floats, running: Bools) -> Floats:
    known = values[running & (values > 0)]
    level = np.median(known) if known.size >= LEARNED_HOURS else np.nan
    return np.asarray(values / level)


def _quantile(values: Floats, running: Bools, share: float) -> float:
    known = values[running & np.isfinite(values)]
    return float(np.quantile(known, share)) if known.size >= LEARNED_HOURS else float("nan")
