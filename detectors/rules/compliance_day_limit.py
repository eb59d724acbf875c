"""compliance.day_limit: day means above the outlet's day limit.

The plant's own valid day row, else the mean of the day's judged hours when there are at least `least_hours`
(HJ 212-2017 eq. 25). Days are those of Asia/Shanghai, whole ones only. Outlets without a day limit are not
judged and not reported: most standards set none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.averaging import hour_grid, hour_of_interval, is_measured, mean_by_hour
from detectors.analysis.exceedance import exceedances
from detectors.analysis.limits import Mask, exempt_hours, judged_hours, limits_of
from detectors.gridding import DAY, DAY_PHASE
from detectors.reporting import abstain
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Floats, Grid, Window
from domain.clock import Interval, to_microseconds
from domain.findings import Finding
from domain.registry import Basis, FactorCode, Outlet


@dataclass(frozen=True)
class DayLimit:
    entry: RuleEntry
    least_hours: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        grid = _whole_days(window)
        for outlet in window.registry.outlets:
            for factor in window.pollutants_of(outlet.outlet_id):
                limits = limits_of(window, outlet, factor, "day", grid)
                if limits is None:
                    continue
                values, judged = self._days(window, outlet, factor, limits.basis, grid)
                findings += exceedances(
                    self, window, outlet, factor, grid, values, judged, limits, counted="days"
                )
                if not judged.any():
                    abstentions.append(
                        abstain(
                            self,
                            f"{outlet.outlet_id}/{factor}",
                            "有日均限值，但没有一天的日均值可判",
                            "there is a day limit and no day with a mean to judge",
                        )
                    )
        return Outcome(tuple(findings), tuple(abstentions))

    def _days(
        self, window: Window, outlet: Outlet, factor: FactorCode, basis: Basis, grid: Grid
    ) -> tuple[Floats, Mask]:
        values = np.full(grid.size, np.nan)
        hours = judged_hours(window, outlet, factor, basis, exempt_hours(window, outlet))
        if hours is not None:
            means, judged = hours
            day = hour_of_interval(hour_grid(window), grid)
            keep = judged & (day >= 0) & (day < grid.size)
            enough = np.bincount(day[keep], minlength=grid.size) >= self.least_hours
            values = np.where(enough, mean_by_hour(means, keep, day, grid.size), np.nan)
        rows = window.series.get((outlet.outlet_id, factor, Interval.DAY))
        if rows is not None:
            own = rows.avg if basis is Basis.MEASURED else rows.converted_avg
            at = hour_of_interval(rows.grid, grid)
            keep = is_measured(rows) & ~np.isnan(own) & (at >= 0) & (at < grid.size)
            values[at[keep]] = own[keep]
        return values, ~np.isnan(values)


def _whole_days(window: Window) -> Grid:
    first = -((DAY_PHASE - to_microseconds(window.start)) // DAY) * DAY + DAY_PHASE
    return Grid(first, DAY, max(0, (to_microseconds(window.end) - first) // DAY))


def rule(entry: RuleEntry) -> Rule:
    return DayLimit(entry, **entry.defaults)
