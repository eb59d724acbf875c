"""Production and the treatment that belongs to it, on one grid of intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.analysis.operation import meters_of, on_grid, running_level
from detectors.kernels.power_state import power_states
from detectors.window import Floats, Grid, Window
from domain.registry import Meter, MeterRole, OutletId

States = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Machine:
    """One meter: kW (n,), its states, its typical kW at work (NaN if never seen and not rated)."""

    meter: Meter
    kw: Floats
    states: States
    running_kw: float


@dataclass(frozen=True)
class Line:
    """Treatment of one outlet or line with the production it serves, all on `grid`."""

    name: str
    outlet_ids: tuple[OutletId, ...]
    grid: Grid
    production: tuple[Machine, ...]
    treatment: tuple[Machine, ...]
    silent: tuple[str, ...]  # treatment meters registered without any reading


def lines_of(window: Window, on_share: float, off_share: float, dwell_minutes: float) -> list[Line]:
    """The lines of a site that have readings of both roles.

    Treatment meters are taken together by line and outlet. They serve the production meters of their line,
    or, where no production meter carries it, those that name the same outlet. All other treatment is paired
    as one with all production of the site, so that one line's rest is never held against another's work.
    """
    production = meters_of(window.registry, MeterRole.PRODUCTION)
    lines = {m.line for m in production if m.line}
    outlets = {m.outlet_id for m in production if m.outlet_id}
    groups: dict[tuple[str, OutletId | None], list[Meter]] = {}
    for meter in meters_of(window.registry, MeterRole.TREATMENT):
        if meter.line in lines:
            key = (meter.line, meter.outlet_id)
        else:
            key = ("", meter.outlet_id if meter.outlet_id in outlets else None)
        groups.setdefault(key, []).append(meter)
    for line in sorted({line for line, outlet in groups if line and outlet is None}):
        shared = groups.pop((line, None))  # no outlet named: it may treat any gas of the line
        own = [key for key in groups if key[0] == line]
        for key in own or [(line, None)]:
            groups.setdefault(key, []).extend(shared)
    made = []
    for (line, outlet), treatment in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        serving = production
        if line or outlet:
            serving = [m for m in production if (m.line == line if line else m.outlet_id == outlet)]
        seen = [m for m in (*serving, *treatment) if m.meter_id in window.power]
        if not {m.role for m in seen} >= {MeterRole.PRODUCTION, MeterRole.TREATMENT}:
            continue
        grid = max((window.power[m.meter_id].grid for m in seen), key=lambda g: g.step_us)
        dwell = max(1, int(np.ceil(dwell_minutes * 60_000_000 / grid.step_us)))
        machines = [_machine(window, m, grid, on_share, off_share, dwell) for m in seen]
        made.append(
            Line(
                name=line,
                outlet_ids=tuple(sorted({m.outlet_id for m in treatment if m.outlet_id})),
                grid=grid,
                production=tuple(m for m in machines if m.meter.role is MeterRole.PRODUCTION),
                treatment=tuple(m for m in machines if m.meter.role is MeterRole.TREATMENT),
                silent=tuple(m.meter_id for m in treatment if m.meter_id not in window.power),
            )
        )
    return made


def _machine(
    window: Window, meter: Meter, grid: Grid, on_share: float, off_share: float, dwell: int
) -> Machine:
    own = window.power[meter.meter_id]
    kw = own.kw if own.grid == grid else on_grid(own.kw, own.grid, grid)
    level = running_level(kw, meter.rated_kw)
    states = power_states(kw, on_share * level, off_share * level, dwell)
    return Machine(meter, kw, states, level)
