"""The capture rate of HJ 75-2017 §12.1.3 in whole clock hours: captured, stopped, lost and why.

Captured is an hour with a usable measurement: flags valid and over range, and start-up, shut-down and banked
fire as far as a value came (the instrument worked; such hours are exempt from limits, not from measuring).
Stopped hours count neither way. Everything else is lost: fault, calibration, maintenance, missing, a
hand-entered value, a letter nobody defined. An hour without any row is stopped when the plant marked all of
it as stopped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import hour_grid, hour_of_interval, on_hours
from detectors.kernels.hour_words import ABSENT, CAPTURED, LOST, STOPPED, judge_hours, pack_hour_words
from detectors.window import Conditions, Grid, Series, Window
from domain.clock import (
    MICROSECONDS_PER_MINUTE,
    VALID_MINUTES_PER_HOUR,
    Interval,
    Quarter,
    to_microseconds,
)
from domain.findings import CaptureRate
from domain.registry import FactorCode, OutletId
from domain.standards import CONDITION_CODES, Condition, mark_kinds

States = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

COUNTS_AS = np.full(len(CONDITION_CODES), LOST, np.uint8)
for _condition in (
    Condition.VALID,
    Condition.OVER_RANGE,
    Condition.STARTING,
    Condition.STOPPING,
    Condition.BANKED,
):
    COUNTS_AS[CONDITION_CODES[_condition]] = CAPTURED
COUNTS_AS[CONDITION_CODES[Condition.STOPPED]] = STOPPED
COUNTS_AS[CONDITION_CODES[Condition.MISSING]] = ABSENT

_MISSING = CONDITION_CODES[Condition.MISSING]


@dataclass(frozen=True)
class HourStates:
    """LOST, CAPTURED or STOPPED and, where lost, the condition code that explains most of each hour."""

    hours: Grid
    states: States
    causes: Conditions


def hour_states(window: Window, outlet_id: OutletId, factor: FactorCode) -> HourStates | None:
    """The known hours of a factor; None without any series of it."""
    hours = _known_hours(window)
    rows = window.series.get((outlet_id, factor, Interval.HOUR))
    finer = window.series.get((outlet_id, factor, Interval.MINUTE))
    if rows is None and finer is None:
        finer = window.series.get((outlet_id, factor, Interval.REALTIME))
    if rows is None and finer is None:
        return None
    row_conditions = np.full(hours.size, _MISSING, np.uint8)
    if rows is not None:
        row_conditions[:] = _conditions(on_hours(rows, hours))
    row_kinds = COUNTS_AS[row_conditions]
    row_kinds[(row_kinds == ABSENT) & _marked_stopped(window, outlet_id, hours)] = STOPPED
    words = np.zeros((3, hours.size), np.uint64)
    causes = row_conditions
    if finer is not None:
        kinds = COUNTS_AS[_conditions(finer)]
        words = pack_hour_words(kinds, finer.grid.start_us - hours.start_us, finer.grid.step_us, hours.size)
        causes = np.where(words[0] == 0, row_conditions, _dominant_causes(finer, hours))
    states = judge_hours(words, row_kinds, VALID_MINUTES_PER_HOUR)
    return HourStates(hours, states, causes)


def capture_rate(
    outlet_id: OutletId, factor: FactorCode, quarter: Quarter, known: HourStates, unbelieved: Mask
) -> CaptureRate:
    """Count one quarter of the known hours; hours of the quarter outside them lie ahead or were not given.

    `unbelieved` marks stopped hours in which the source ran, on the same hours.
    """
    part = quarter_slice(quarter, known.hours)
    states = known.states[part]
    stopped = int(np.count_nonzero(states == STOPPED))
    valid = int(np.count_nonzero(states == CAPTURED))
    lost = states == LOST
    doubted = int(np.count_nonzero(unbelieved[part] & (states == STOPPED)))
    ran = states.size - stopped
    may_run = quarter.hours - stopped
    names = list(CONDITION_CODES)
    causes = Counter(names[code].value for code in known.causes[part][lost].tolist())
    return CaptureRate(
        outlet_id=outlet_id,
        factor=factor,
        quarter=str(quarter),
        calendar_hours=quarter.hours,
        elapsed_hours=states.size,
        stopped_hours=stopped,
        valid_hours=valid,
        invalid_hours=int(np.count_nonzero(lost)),
        unbelieved_hours=doubted,
        rate=valid / ran if ran else None,
        rate_believed=valid / (ran + doubted) if ran + doubted else None,
        best_possible=(valid + quarter.hours - states.size) / may_run if may_run else None,
        lost_by_cause=dict(sorted(causes.items(), key=lambda item: (-item[1], item[0]))),
    )


def quarters_of(hours: Grid) -> list[Quarter]:
    """The quarters the hours touch, in order."""
    if not hours.size:
        return []
    found = [Quarter.of(hours.time(0))]
    while found[-1].end < hours.time(hours.size):
        found.append(found[-1].next())
    return found


def quarter_slice(quarter: Quarter, hours: Grid) -> slice:
    """The hours that lie in the quarter."""
    edges = ((to_microseconds(t) - hours.start_us) // hours.step_us for t in (quarter.start, quarter.end))
    first, last = (min(max(0, edge), hours.size) for edge in edges)
    return slice(first, last)


def _known_hours(window: Window) -> Grid:
    """The window's hours that had ended when it was known."""
    whole = hour_grid(window)
    until = to_microseconds(min(window.known_until, window.end))
    return Grid(
        whole.start_us, whole.step_us, max(0, min(whole.size, (until - whole.start_us) // whole.step_us))
    )


def _conditions(series: Series) -> Conditions:
    """Conditions, where a row without any value captured nothing unless it says why."""
    empty = np.isnan(series.avg) & np.isnan(series.converted_avg) & np.isnan(series.total)
    nothing = empty & (COUNTS_AS[series.condition] == CAPTURED)
    conditions: Conditions = np.where(nothing, np.uint8(_MISSING), series.condition)
    return conditions


def _marked_stopped(window: Window, outlet_id: OutletId, hours: Grid) -> Mask:
    """Hours that lie wholly inside a mark that says stopped."""
    marked = np.zeros(hours.size, np.bool_)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        if mark.outlet_id != outlet_id or kind is None or kind.plane is not Condition.STOPPED:
            continue
        first = -((hours.start_us - to_microseconds(mark.start)) // hours.step_us)
        last = (to_microseconds(mark.end) - hours.start_us) // hours.step_us
        marked[max(0, first) : max(0, last)] = True
    return marked


def _dominant_causes(series: Series, hours: Grid) -> Conditions:
    """The condition that costs each hour most minutes, the lowest code of equals; STOPPED without any."""
    conditions = _conditions(series)
    kinds = len(CONDITION_CODES)
    hour = hour_of_interval(series.grid, hours)
    inside = (hour >= 0) & (hour < hours.size)
    cells = hour[inside] * kinds + conditions[inside]
    counts = np.bincount(cells, minlength=hours.size * kinds).reshape(hours.size, kinds)
    minutes = counts * (series.grid.step_us / MICROSECONDS_PER_MINUTE)
    minutes[:, _MISSING] = np.maximum(0, 60 - np.delete(minutes, _MISSING, axis=1).sum(axis=1))
    minutes[:, (COUNTS_AS == CAPTURED) | (COUNTS_AS == STOPPED)] = 0
    causes: Conditions = minutes.argmax(axis=1).astype(np.uint8)
    causes[minutes.max(axis=1) == 0] = CONDITION_CODES[Condition.STOPPED]
    return causes
