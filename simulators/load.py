"""How a line runs: its states, its load, and the draught of its fan.

A stop is declared hour by hour, as plants do: states change on full hours. Before a stop has cooled the fan
purges (STOPPING); the hours before production are start-up (STARTING).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from simulators.industry import Industry, Pattern
from simulators.noise import Dice, Floats, autocorrelated, episodes
from simulators.timeline import STEPS_PER_HOUR, Timeline

States = npt.NDArray[np.uint8]


class State(IntEnum):
    RUNNING = 0
    STARTING = 1
    STOPPING = 2
    STOPPED = 3


@dataclass(frozen=True)
class Curtailment:
    """Steps in which an alert measure cuts the load to `share` of what it would be."""

    first: int
    last: int
    share: float


@dataclass(frozen=True)
class Operation:
    """Per step: state, load and draught (shares of full load and flow), air (false air, 0 to 1)."""

    state: States
    load: Floats
    draught: Floats
    air: Floats


def operate(
    dice: Dice, timeline: Timeline, industry: Industry, curtailments: tuple[Curtailment, ...] = ()
) -> Operation:
    """The operation of one line. A longer timeline begins with exactly the shorter one."""
    longer = Timeline(
        timeline.origin_us, timeline.hours + 24
    )  # to see the end of a stop that is still going on
    stopped = _stops(dice, longer, industry)
    state, position = _states(stopped, industry)
    state, position = state[: timeline.size], position[: timeline.size]
    load = _load(dice, timeline, industry)
    for curtailment in curtailments:
        load[curtailment.first : curtailment.last] *= curtailment.share
    running, starting = state == State.RUNNING, state == State.STARTING
    stopping = state == State.STOPPING
    load = np.select([running, starting], [load, load * (0.15 + 0.75 * position)], 0.0)
    residual = 0.015 + 0.004 * autocorrelated(dice.of("draught"), timeline.size, 3.0, 1.0).clip(-3, 3)
    draught = np.select(
        [running | starting, stopping], [0.3 + 0.7 * load, 0.45 - 0.38 * position], residual.clip(0.002)
    )
    air = np.select([running, starting, stopping], [0.0, 0.75 * (1 - position), 0.6 + 0.36 * position], 0.995)
    return Operation(state, load, draught, air)


def runs_of_states(state: States) -> Iterator[tuple[State, int, int]]:
    """Maximal stretches `[first, last)` of one state, in order."""
    edges = np.flatnonzero(np.diff(state)) + 1
    for first, last in pairwise((0, *edges.tolist(), state.size)):
        yield State(int(state[first])), first, last


def _stops(dice: Dice, timeline: Timeline, industry: Industry) -> npt.NDArray[np.bool_]:
    stopped = np.zeros(timeline.size, bool)
    if industry.pattern is Pattern.SHIFT:
        hour, weekday = timeline.hour_of_day(), timeline.weekday()
        stopped |= (hour < 7) | (hour >= 23) | (weekday == 6)
    if industry.stop_gap_days > 0:
        hours = industry.stop_days * 24
        for stop in episodes(
            dice.of("stops"), timeline.size, industry.stop_gap_days, hours, 0.45, whole_hours=True
        ):
            stopped[stop.first : stop.last] = True
    return stopped


def _states(stopped: npt.NDArray[np.bool_], industry: Industry) -> tuple[States, Floats]:
    """State of each step and how far (0 to 1) it is through its start-up or purge."""
    state = np.where(stopped, State.STOPPED, State.RUNNING).astype(np.uint8)
    position = np.zeros(stopped.size)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], stopped, [False])).astype(np.int8)))
    purge, warm = industry.stopping_hours * STEPS_PER_HOUR, industry.starting_hours * STEPS_PER_HOUR
    for first, last in edges.reshape(-1, 2):
        if last - first <= purge + warm:
            purge_here, warm_here = STEPS_PER_HOUR, STEPS_PER_HOUR
        else:
            purge_here, warm_here = purge, warm
        end = min(first + purge_here, last)
        state[first:end] = State.STOPPING
        position[first:end] = np.linspace(0, 1, end - first)
        if last < stopped.size:  # the last step belongs to a stop whose end nobody has seen yet
            begin = max(last - warm_here, end)
            state[begin:last] = State.STARTING
            position[begin:last] = np.linspace(0, 1, last - begin)
    return state, position


def _load(dice: Dice, timeline: Timeline, industry: Industry) -> Floats:
    size, hour = timeline.size, timeline.hour_of_day()
    mean = industry.load_mean
    slow = autocorrelated(dice.of("load slow"), size, 70.0, 1.0)
    fast = autocorrelated(dice.of("load fast"), size, 5.0, 1.0)
    match industry.pattern:
        case Pattern.DISPATCH:
            peaks = np.exp(-(((hour - 10.5) / 2.8) ** 2)) + np.exp(-(((hour - 19.5) / 2.5) ** 2))
            weekend = np.where(timeline.weekday() >= 5, -0.06, 0.0)
            load = mean - 0.09 + 0.2 * peaks + weekend + 0.045 * slow + 0.02 * fast
        case Pattern.STEADY:
            load = mean + 0.03 * slow + 0.015 * fast
        case Pattern.CAMPAIGN:
            load = mean + 0.02 * slow + 0.004 * fast
        case Pattern.SHIFT:
            lunch = np.exp(-(((hour - 12.0) / 0.6) ** 2))
            load = mean - 0.2 * lunch + 0.03 * slow + 0.06 * fast
        case Pattern.HEATING:
            season = np.cos(2 * np.pi * (timeline.day_of_year() - 20) / 365.2425)
            night = np.exp(-(((hour - 3.0) / 3.0) ** 2))
            load = mean + 0.08 * season - 0.16 * night + 0.06 * slow + 0.04 * fast
    return load.clip(industry.load_min, 1.05)
