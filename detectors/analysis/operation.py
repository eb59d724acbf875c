"""Does the plant run? What production and treatment meters say, hour by hour and interval by interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import hour_grid, hour_of_interval, mean_by_hour
from detectors.kernels.power_state import two_levels
from detectors.window import Floats, Grid, Window
from domain.registry import Meter, MeterRole, OutletId, Registry

#: Two levels of a meter are two states when one is this many times the other.
STATES_APART = 3.0
#: Below this share of its rated power a machine is not at work, however steady the reading.
IDLE_SHARE_OF_RATED = 0.08
#: Where a machine was never seen at work, its running level is guessed as this share of its rated power.
USUAL_SHARE_OF_RATED = 0.6

Bools = npt.NDArray[np.bool_]


def running_level(kw: Floats, rated_kw: float | None) -> float:
    """Typical kW of one machine at work, learned from its readings (n,), NaN for gaps.

    The median of the upper of two levels of log power (Otsu 1979) when they lie STATES_APART, else the median
    of all. A level below IDLE_SHARE_OF_RATED is idling: then USUAL_SHARE_OF_RATED of the rated power. NaN
    when nothing is known.
    """
    known = kw[np.isfinite(kw)]
    level = np.nan
    if known.size and known.max() > 0:
        floor = 1e-3 * float(np.quantile(known, 0.99)) or float(known.max())
        cut, low, high, _ = two_levels(np.sort(np.log10(np.maximum(known, floor))))
        apart = high - low >= np.log10(STATES_APART)
        level = float(np.median(known[known > 10**cut] if apart else known))
    if rated_kw and not level >= IDLE_SHARE_OF_RATED * rated_kw:
        return USUAL_SHARE_OF_RATED * rated_kw
    return level


def on_grid(kw: Floats, grid: Grid, target: Grid) -> Floats:
    """Mean kW on a grid of equal or longer intervals; NaN where less than half of an interval reported."""
    cell = hour_of_interval(grid, target)
    inside = (cell >= 0) & (cell < target.size)
    means = mean_by_hour(kw, inside, np.clip(cell, 0, max(target.size - 1, 0)), target.size)
    reported = np.bincount(cell[inside & ~np.isnan(kw)], minlength=target.size)
    means[2 * reported * grid.step_us < target.step_us] = np.nan
    return means


def meters_of(registry: Registry, role: MeterRole) -> list[Meter]:
    return [m for m in registry.meters if m.role is role]


def production_of(registry: Registry, outlet_id: OutletId) -> tuple[list[Meter], bool]:
    """Production meters behind an outlet, and whether they are known to be its own.

    Its own are those that name the outlet, or share a line with a treatment meter that names it. Without
    such a link all production meters of the site are given, and they are its own only where the site has
    no other outlet.
    """
    production = meters_of(registry, MeterRole.PRODUCTION)
    lines = {m.line for m in registry.meters if m.outlet_id == outlet_id and m.line}
    own = [m for m in production if m.outlet_id == outlet_id or (m.line and m.line in lines)]
    return (own, True) if own else (production, len(registry.outlets) <= 1)


def production_by_hour(window: Window, outlet_id: OutletId) -> tuple[Floats, Floats]:
    """(mean kW, share of the running level) of the production behind an outlet, per hour of `hour_grid`.

    Own meters are added up; meters of a site whose lines are not known count only together: the share is
    that of the least busy one, so that a neighbour's work proves nothing. NaN where a meter is silent.
    """
    hours = hour_grid(window)
    meters, own = production_of(window.registry, outlet_id)
    seen = [m for m in meters if m.meter_id in window.power]
    if not seen:
        return np.full(hours.size, np.nan), np.full(hours.size, np.nan)
    kw = np.stack([on_grid(window.power[m.meter_id].kw, window.power[m.meter_id].grid, hours) for m in seen])
    if own:
        total = kw.sum(axis=0)
        return total, total / running_level(total, _rated(seen))
    levels = np.array([running_level(row, m.rated_kw) for row, m in zip(kw, seen, strict=True)])
    return kw.sum(axis=0), (kw / levels[:, None]).min(axis=0)


def production_off(window: Window, outlet_id: OutletId, off_share: float) -> Bools:
    """True for hours of `hour_grid` in which the production behind an outlet stood still by its meters."""
    _, share = production_by_hour(window, outlet_id)
    return share < off_share  # NaN compares false: unknown is not off


def _rated(meters: Sequence[Meter]) -> float | None:
    rated = [m.rated_kw for m in meters]
    return sum(r for r in rated if r) if all(rated) else None
