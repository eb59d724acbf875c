"""The points of a series that fabrication tests may judge, as ticks on the instrument's own grid.

Left out: everything not flagged normal, intervals the plant marked, hours in which production stood still by
its meters, and values at zero or at the low clamp of the instrument, where honest values repeat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import codes_of, hour_grid, hour_of_interval
from detectors.analysis.operation import Bools, production_off
from detectors.kernels.ticks import GAP, MOST_PLACES, Ticks, decimal_places, tick_step, to_ticks
from detectors.reporting import abstain
from detectors.rule import Abstention, Rule
from detectors.window import Grid, Series, Window
from domain.clock import Interval, to_microseconds
from domain.registry import FactorCode, OutletId
from domain.standards import Condition, factors, mark_kinds

#: Set by hand or counted in classes: constant by nature.
BY_NATURE_CONSTANT = frozenset({"a01016", "a01010"})
#: The finest interval that covers this share of what the best one covers is judged.
FINER_IS_ENOUGH = 0.9
#: A lowest value visited this often, and no less than the one above it, is a clamp.
CLAMP_VISITS = 3


@dataclass(frozen=True)
class Usable:
    """One factor of one outlet: (n,) int32 ticks of 10^-places, GAP where not to be judged."""

    outlet_id: OutletId
    factor: FactorCode
    series: Series
    ticks: Ticks
    places: int
    step: int  # of the instrument, in ticks

    @property
    def grid(self) -> Grid:
        return self.series.grid

    @property
    def resolution(self) -> float:
        """The instrument's step in units of the factor, read from its values."""
        return self.step / 10.0**self.places


def usable_of_site(window: Window, off_share: float) -> list[Usable]:
    """All judged series of a site, by outlet and factor, at one kind of interval each outlet."""
    return [
        usable
        for outlet in sorted(window.registry.outlets, key=lambda o: o.outlet_id)
        for usable in usable_of_outlet(window, outlet.outlet_id, off_share)
    ]


def usable_of_outlet(window: Window, outlet_id: OutletId, off_share: float) -> list[Usable]:
    """The factors of one outlet at the interval, minute or hour, that covers more of the window.

    Realtime values are judged only where there is nothing else: they say the same at many times the cost.
    """
    hours_off = production_off(window, outlet_id, off_share)

    def judged(interval: Interval) -> list[Usable]:
        return [
            _usable(window, outlet_id, factor, series, hours_off)
            for factor, series in sorted(window.series_of(outlet_id, interval).items())
            if factor not in BY_NATURE_CONSTANT
        ]

    best: list[Usable] = []
    most = 0
    for interval in (Interval.MINUTE, Interval.HOUR):
        made = judged(interval)
        covered = sum(int(np.count_nonzero(u.ticks != GAP)) * u.grid.step_us for u in made)
        if covered and FINER_IS_ENOUGH * covered > most:
            best, most = made, covered
    return best or [u for u in judged(Interval.REALTIME) if np.any(u.ticks != GAP)]


def _usable(
    window: Window, outlet_id: OutletId, factor: FactorCode, series: Series, hours_off: Bools
) -> Usable:
    keep = np.isin(series.condition, codes_of((Condition.VALID,))) & np.isfinite(series.avg)
    keep &= ~_marked(window, outlet_id, series.grid)
    hour = hour_of_interval(series.grid, hour_grid(window))
    inside = (hour >= 0) & (hour < hours_off.size)
    keep[inside] &= ~hours_off[hour[inside]]
    values = np.where(keep, series.avg, np.nan)
    places = int(decimal_places(values, MOST_PLACES))
    ticks: Ticks = to_ticks(values, places)
    known = factors().get(factor)
    if known is None or known.kind != "parameter" or known.plausible_min >= 0:
        ticks[ticks <= 0] = GAP  # GAP itself is below zero
    step = int(tick_step(ticks))
    clamp = low_clamp(ticks)
    if clamp is not None:
        ticks[ticks == clamp] = GAP
    return Usable(outlet_id, factor, series, ticks, places, step)


def _marked(window: Window, outlet_id: OutletId, grid: Grid) -> Bools:
    """Intervals touched by a mark of the plant that says anything but normal."""
    marked = np.zeros(grid.size, bool)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        if mark.outlet_id == outlet_id and not (kind and kind.plane is Condition.VALID):
            first = (to_microseconds(mark.start) - grid.start_us) // grid.step_us
            last = -((grid.start_us - to_microseconds(mark.end)) // grid.step_us)
            marked[max(0, first) : max(0, last)] = True
    return marked


def low_clamp(ticks: Ticks) -> int | None:
    """The lowest tick if honest values gather there (detection limit, clipped zero), else None.

    A free series visits its lowest value about once and the next one as often or more; a clamp is visited
    again and again. Visits are counted, not points, so that one frozen stretch at the bottom is no clamp.
    """
    known = ticks[ticks != GAP]
    if not known.size:
        return None
    begun = known[np.concatenate(([True], known[1:] != known[:-1]))]
    lowest = begun.min()
    above = begun[begun > lowest]
    visits = int(np.count_nonzero(begun == lowest))
    if visits < CLAMP_VISITS or not above.size or visits < np.count_nonzero(above == above.min()):
        return None
    return int(lowest)


def nothing_usable(rule: Rule, outlet_id: OutletId) -> Abstention:
    """The abstention of a rule where an outlet has no point to judge."""
    return abstain(
        rule,
        outlet_id,
        "该时段没有可判定的正常数据",
        "no values flagged normal while production ran",
    )


def points(usable: Usable) -> tuple[Ticks, npt.NDArray[np.int64]]:
    """The usable points (m,) and their places on the grid (m,)."""
    index = np.flatnonzero(usable.ticks != GAP).astype(np.int64)
    return usable.ticks[index], index
