"""compliance.hour_limit: valid hour means above the limit in normal operation.

Limits are those of the outlet by their dates, else the national ones of its source type; compared as full
values, without rounding to the limit's digits. Hours of start-up, shut-down, banked fire, and hours the plant
marked are left out (HJ 75-2017; marker rules of 2022). Consecutive hours make one finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.analysis.averaging import hour_grid
from detectors.analysis.exceedance import exceedances
from detectors.analysis.limits import exempt_hours, judged_hours, limits_of
from detectors.reporting import abstain
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Window
from domain.findings import Finding


@dataclass(frozen=True)
class HourLimit:
    entry: RuleEntry

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        grid = hour_grid(window)
        for outlet in window.registry.outlets:
            compared = False
            exempt = exempt_hours(window, outlet)
            for factor in window.pollutants_of(outlet.outlet_id):
                limits = limits_of(window, outlet, factor, "hour", grid)
                hours = judged_hours(window, outlet, factor, limits.basis, exempt) if limits else None
                if limits is None or hours is None:
                    continue
                values, judged = hours
                compared = compared or bool(judged.any())
                findings += exceedances(
                    self, window, outlet, factor, grid, values, judged, limits, counted="hours"
                )
            if not compared:
                abstentions.append(
                    abstain(
                        self,
                        outlet.outlet_id,
                        "没有可与小时限值比较的有效小时均值（无限值、无数据或无折算值）",
                        "no valid hour mean to compare: no limit, no data or no converted values",
                    )
                )
        return Outcome(tuple(findings), tuple(abstentions))


def rule(entry: RuleEntry) -> Rule:
    return HourLimit(entry, **entry.defaults)
