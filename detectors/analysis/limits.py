"""Which limit an hour or a day is compared with, and the values that count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import hour_grid, hours_of, is_measured
from detectors.analysis.conversion import OXYGEN, conversion_factor
from detectors.window import Floats, Grid, Series, Window
from domain.clock import to_microseconds
from domain.registry import Basis, FactorCode, Outlet
from domain.standards import CONDITION_CODES, Condition, mark_kinds, source_types

Mask = npt.NDArray[np.bool_]

#: A factor flagged like this puts the whole outlet outside normal operation: limits do not apply.
_EXEMPT = np.array(
    [
        CONDITION_CODES[c]
        for c in (Condition.STOPPED, Condition.STARTING, Condition.STOPPING, Condition.BANKED)
    ],
    np.uint8,
)


@dataclass(frozen=True)
class Limits:
    """The limit of every interval of a grid (NaN: none), mg/m³; `source` is where it comes from."""

    mg_m3: Floats
    basis: Basis
    source: str


def limits_of(
    window: Window, outlet: Outlet, factor: FactorCode, averaging: str, grid: Grid
) -> Limits | None:
    """The outlet's own limits by their dates, the strictest of several; else those of its source type.

    The source type's limits are hour means; they hold for the whole window when in force at its start.
    """
    own = [
        limit
        for limit in window.registry.limits
        if (limit.outlet_id, limit.factor, limit.averaging) == (outlet.outlet_id, factor, averaging)
    ]
    if own:
        # the first by basis: an outlet's limits of one factor share theirs
        basis = own[0].basis
        values = np.full(grid.size, np.nan)
        for limit in own:
            if limit.basis is basis:
                part = slice(_index(limit.valid_from, grid, 0), _index(limit.valid_to, grid, grid.size))
                values[part] = np.fmin(values[part], limit.limit_mg_m3)
        return Limits(values, basis, "outlet")
    kind = source_types().get(outlet.source_type)
    if kind is None or averaging != "hour" or factor not in kind.limits:
        return None
    day = window.start.date()
    if day < kind.effective_from or (kind.effective_to is not None and day >= kind.effective_to):
        return None
    basis = Basis.MEASURED if outlet.reference_o2_percent is None else Basis.CONVERTED
    return Limits(np.full(grid.size, kind.limits[factor]), basis, kind.standard)


def judged_hours(
    window: Window, outlet: Outlet, factor: FactorCode, basis: Basis, exempt: Mask
) -> tuple[Floats, Mask] | None:
    """Hour means on the basis of a limit and where they may be judged; None without hour values.

    Judged are valid hours outside `exempt` (see `exempt_hours`). A converted mean the plant
    did not report is computed from the measured one and the hour's oxygen (HJ 212-2017 eq. 28).
    """
    hours = hours_of(window, outlet.outlet_id, factor)
    if hours is None:
        return None
    values = hours.avg if basis is Basis.MEASURED else _converted(window, outlet, hours)
    normal = is_measured(hours) & ~np.isnan(values)
    return values, normal & ~exempt


def exempt_hours(window: Window, outlet: Outlet) -> Mask:
    """Hours with any factor flagged as start, stop or banked fire, or a mark other than normal."""
    grid = hour_grid(window)
    exempt = np.zeros(grid.size, np.bool_)
    factors = {factor for (outlet_id, factor, _) in window.series if outlet_id == outlet.outlet_id}
    for factor in factors:
        hours = hours_of(window, outlet.outlet_id, factor)
        if hours is not None:
            exempt |= np.isin(hours.condition, _EXEMPT)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        if mark.outlet_id != outlet.outlet_id or kind is None or kind.plane is Condition.VALID:
            continue
        first = (to_microseconds(mark.start) - grid.start_us) // grid.step_us
        last = -((grid.start_us - to_microseconds(mark.end)) // grid.step_us)
        exempt[max(0, first) : max(0, last)] = True
    return exempt


def _converted(window: Window, outlet: Outlet, hours: Series) -> Floats:
    reference = outlet.reference_o2_percent
    oxygen = hours_of(window, outlet.outlet_id, OXYGEN)
    if reference is None or oxygen is None:
        return hours.converted_avg
    computed = hours.avg * conversion_factor(oxygen.avg, reference)
    return np.where(np.isnan(hours.converted_avg), computed, hours.converted_avg)


def _index(time: datetime | None, grid: Grid, default: int) -> int:
    if time is None:
        return default
    index = -((grid.start_us - to_microseconds(time)) // grid.step_us)
    return min(max(0, index), grid.size)
