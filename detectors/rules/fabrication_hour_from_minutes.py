"""fabrication.hour_from_minutes: the reported hour mean is not the mean of its valid minutes.

HJ 212-2017 Annex D eq. 24, for pollutants and oxygen, in hours with at least 45 valid minutes. An hour agrees
with the mean of its valid minutes or, for devices that leave nothing out, of all its minutes, within
tolerance, rounding, and what minutes that did not arrive can move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.averaging import (
    hour_grid,
    hour_of_interval,
    is_measured,
    mean_by_hour,
    measured_minutes,
    on_hours,
)
from detectors.analysis.conversion import OXYGEN
from detectors.analysis.disagreement import Comparison, disagreements, unit_of
from detectors.reporting import abstain
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Series, Window
from domain.clock import MICROSECONDS_PER_HOUR, VALID_MINUTES_PER_HOUR, Interval
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, Outlet


@dataclass(frozen=True)
class HourFromMinutes:
    entry: RuleEntry
    tolerance: float
    least_hours: float
    longest_gap_hours: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        for outlet in window.registry.outlets:
            compared = False
            for factor in [*window.pollutants_of(outlet.outlet_id), OXYGEN]:
                rows = window.series.get((outlet.outlet_id, factor, Interval.HOUR))
                minutes = window.series.get((outlet.outlet_id, factor, Interval.MINUTE))
                if rows is None or minutes is None or minutes.grid.step_us >= MICROSECONDS_PER_HOUR:
                    continue
                compared = True
                findings += self._judge(window, outlet, factor, rows, minutes)
            if not compared:
                abstentions.append(
                    abstain(
                        self,
                        outlet.outlet_id,
                        "没有同时具备小时和分钟数据的因子",
                        "no factor has both hour and minute data",
                    )
                )
        return Outcome(tuple(findings), tuple(abstentions))

    def _judge(
        self, window: Window, outlet: Outlet, factor: FactorCode, rows: Series, minutes: Series
    ) -> list[Finding]:
        grid = hour_grid(window)
        hours = on_hours(rows, grid)
        comparison = self._compare(hours, minutes)
        deviates = comparison.deviates
        ratio = hours.avg[deviates] / np.where(
            comparison.expected[deviates] > 0, comparison.expected[deviates], 1
        )
        one_factor = bool(
            ratio.size >= self.least_hours
            and deviates.sum() >= 0.95 * comparison.judged.sum()
            and np.subtract(*np.percentile(ratio, (95, 5))) < 0.05 * np.median(ratio)
        )
        return disagreements(
            self,
            window,
            outlet,
            factor,
            grid,
            comparison,
            least_hours=self.least_hours,
            longest_gap_hours=self.longest_gap_hours,
            evidence={},
            example={},
            verdicts={"unit": Verdict.SUPPORTED if one_factor else Verdict.EXCLUDED},
        )

    def _compare(self, hours: Series, minutes: Series) -> Comparison:
        grid = hours.grid
        hour = hour_of_interval(minutes.grid, grid)
        inside = (hour >= 0) & (hour < grid.size)
        hour = np.clip(hour, 0, max(0, grid.size - 1))
        valid = is_measured(minutes) & inside & ~np.isnan(minutes.avg)
        of_valid = mean_by_hour(minutes.avg, valid, hour, grid.size)
        of_all = mean_by_hour(minutes.avg, inside, hour, grid.size)
        expected = np.where(np.abs(hours.avg - of_all) < np.abs(hours.avg - of_valid), of_all, of_valid)
        counted = measured_minutes(minutes, grid)
        judged = (
            is_measured(hours)
            & ~np.isnan(hours.avg)
            & ~np.isnan(expected)
            & (counted >= VALID_MINUTES_PER_HOUR)
        )
        low, high = np.full(grid.size, np.inf), np.full(grid.size, -np.inf)
        np.minimum.at(low, hour[valid], minutes.avg[valid])
        np.maximum.at(high, hour[valid], minutes.avg[valid])
        absent = np.clip(1 - counted / 60, 0, 1)
        unseen = np.where(absent > 0, absent * np.where(high > low, high - low, 0), 0)
        allowed = unit_of(hours.avg) + unit_of(minutes.avg) / 2 + self.tolerance * np.abs(expected) + unseen
        return Comparison(hours.avg, expected, allowed, judged)


def rule(entry: RuleEntry) -> Rule:
    return HourFromMinutes(entry, **entry.defaults)
