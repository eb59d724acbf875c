"""fabrication.conversion: the reported converted mean does not follow from concentration and oxygen.

HJ 212-2017 Annex D eq. 28 on hour means. Devices average converted minutes, which is not the conversion of
the averages; so an hour agrees when the value matches the conversion of the means within tolerance, rounding
of all three numbers and what variation within the hour can do, or the mean of its converted minutes. Plants
that report the measured value below the reference oxygen are in order. Oxygen of 20.9 % and more is not
judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.averaging import hour_grid, hour_of_interval, hours_of, is_measured, mean_by_hour
from detectors.analysis.conversion import AIR_O2_PERCENT, MOISTURE, OXYGEN, conversion_factor
from detectors.analysis.disagreement import Comparison, disagreements, unit_of
from detectors.reporting import abstain
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Floats, Series, Window
from domain.clock import Interval
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, Outlet
from domain.standards import factors

#: A second hypothesis replaces the registered one when it fits this share of all judged hours.
FITS_ALL = 0.95
#: Half range of a concentration within an hour, relative, where extremes are not reported.
ASSUMED_CONCENTRATION_SPREAD = 0.25


@dataclass(frozen=True)
class Conversion:
    entry: RuleEntry
    tolerance: float
    least_hours: float
    longest_gap_hours: float
    assumed_o2_spread_percent: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        for outlet in window.registry.outlets:
            converted = [f for f in window.pollutants_of(outlet.outlet_id) if factors()[f].converted]
            if not converted:
                abstentions.append(
                    abstain(self, outlet.outlet_id, "没有需要折算的污染物数据", "no pollutant to convert")
                )
                continue
            oxygen = hours_of(window, outlet.outlet_id, OXYGEN)
            if outlet.reference_o2_percent is None or oxygen is None:
                lacks = ("登记的基准氧", "a registered reference oxygen")
                if outlet.reference_o2_percent is not None:
                    lacks = ("氧含量数据", "oxygen data")
                abstentions.append(
                    abstain(self, outlet.outlet_id, f"缺少{lacks[0]}，无法重算折算值", f"lacks {lacks[1]}")
                )
                continue
            for factor in converted:
                hours = hours_of(window, outlet.outlet_id, factor)
                if hours is None or np.isnan(hours.converted_avg).all():
                    abstentions.append(
                        abstain(self, f"{outlet.outlet_id}/{factor}", "没有折算值", "no converted values")
                    )
                    continue
                found, why_not = self._judge(
                    window, outlet, factor, hours, oxygen, outlet.reference_o2_percent
                )
                findings += found
                abstentions += why_not
        return Outcome(tuple(findings), tuple(abstentions))

    def _judge(
        self,
        window: Window,
        outlet: Outlet,
        factor: FactorCode,
        hours: Series,
        oxygen: Series,
        reference: float,
    ) -> tuple[list[Finding], list[Abstention]]:
        comparison = self._compare(hours, oxygen, oxygen.avg, reference)
        minutes = _converted_by_minutes(window, outlet, factor, reference)
        if minutes is not None:
            close = np.abs(hours.converted_avg - minutes) <= self.tolerance * minutes + unit_of(
                hours.converted_avg
            )
            comparison = _without(comparison, close)
        deviating = int(np.count_nonzero(comparison.deviates))
        if deviating < self.least_hours:
            return [], []
        if self._fits_dry_oxygen(window, outlet, hours, oxygen, reference):
            return [], [
                abstain(
                    self,
                    f"{outlet.outlet_id}/{factor}",
                    "折算值与按湿度修正后的干基氧一致，上报的氧为湿基",
                    "converted values follow from oxygen corrected for moisture: the reported oxygen is wet",
                )
            ]
        implied = _implied_reference(hours, oxygen, comparison)
        another = bool(
            deviating >= FITS_ALL * np.count_nonzero(comparison.judged)
            and np.subtract(*np.percentile(implied, (90, 10))) < 0.5
        )
        found = disagreements(
            self,
            window,
            outlet,
            factor,
            hour_grid(window),
            comparison,
            least_hours=self.least_hours,
            longest_gap_hours=self.longest_gap_hours,
            evidence={"reference_o2_percent": reference, "implied_reference_o2_percent": np.median(implied)},
            example={"measured": hours.avg, "o2_percent": oxygen.avg},
            verdicts={"reference": Verdict.SUPPORTED if another else Verdict.EXCLUDED},
        )
        return found, []

    def _compare(self, hours: Series, oxygen: Series, o2_percent: Floats, reference: float) -> Comparison:
        """`o2_percent` is the oxygen to convert with; spread and validity come from `oxygen` as reported."""
        reported = hours.converted_avg
        expected = hours.avg * conversion_factor(o2_percent, reference)
        rest = np.where(np.isnan(expected), np.nan, AIR_O2_PERCENT - o2_percent)
        judged = is_measured(hours) & is_measured(oxygen) & (hours.avg >= 0) & (reported >= 0)
        judged &= ~np.isnan(expected)
        # rounding of the inputs moves the result, the result itself is good to one unit of its last digit
        rounding = unit_of(reported) + expected * (unit_of(oxygen.avg) / 2) / rest
        rounding += conversion_factor(o2_percent, reference) * unit_of(hours.avg) / 2
        o2_spread = _half_range(oxygen) / rest
        o2_spread = np.where(np.isnan(o2_spread), self.assumed_o2_spread_percent / rest, o2_spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = _half_range(hours) / hours.avg
        spread = np.where(np.isfinite(spread), spread, ASSUMED_CONCENTRATION_SPREAD)
        # half of what two extremes could do: E[c k] - E[c] k(E[o2]) for c, k = 1/(21 - o2) within the hour
        within_hour = 0.5 * o2_spread * (o2_spread + np.minimum(spread, 1.0))
        allowed = expected * (self.tolerance + within_hour) + rounding
        below_reference = (o2_percent <= reference + 0.05) & (
            np.abs(reported - hours.avg) <= unit_of(reported) + self.tolerance * hours.avg
        )
        return _without(Comparison(reported, expected, allowed, judged), below_reference)

    def _fits_dry_oxygen(
        self, window: Window, outlet: Outlet, hours: Series, oxygen: Series, reference: float
    ) -> bool:
        moisture = hours_of(window, outlet.outlet_id, MOISTURE)
        if moisture is None:
            return False
        wet = np.where((moisture.avg > 0) & (moisture.avg < 60), moisture.avg, np.nan)
        dry = self._compare(hours, oxygen, oxygen.avg / (1 - wet / 100), reference)
        judged = int(np.count_nonzero(dry.judged))
        return judged > 0 and bool(np.count_nonzero(dry.deviates) <= (1 - FITS_ALL) * judged)


def _without(comparison: Comparison, agreed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Comparison:
    """Hours of `agreed` are in order by another reading of the rule: judged, and not deviating."""
    expected = np.where(agreed, comparison.reported, comparison.expected)
    return Comparison(comparison.reported, expected, comparison.allowed, comparison.judged)


def _half_range(series: Series) -> Floats:
    """Half of max - min of each interval, NaN where not reported or out of order."""
    half = (series.max - series.min) / 2
    half[~(half >= 0)] = np.nan
    return half


def _converted_by_minutes(
    window: Window, outlet: Outlet, factor: FactorCode, reference: float
) -> Floats | None:
    """Hour means of minutes converted one by one; None without minutes of both on one grid."""
    minutes = window.series.get((outlet.outlet_id, factor, Interval.MINUTE))
    oxygen = window.series.get((outlet.outlet_id, OXYGEN, Interval.MINUTE))
    if minutes is None or oxygen is None or minutes.grid != oxygen.grid:
        return None
    grid = hour_grid(window)
    hour = hour_of_interval(minutes.grid, grid)
    keep = is_measured(minutes) & is_measured(oxygen) & (hour >= 0) & (hour < grid.size)
    converted = minutes.avg * conversion_factor(oxygen.avg, reference)
    return mean_by_hour(converted, keep, np.clip(hour, 0, max(0, grid.size - 1)), grid.size)


def _implied_reference(hours: Series, oxygen: Series, comparison: Comparison) -> Floats:
    """The reference oxygen that would give each deviating hour its reported value."""
    there = comparison.deviates & (hours.avg > 0)
    ratio = hours.converted_avg[there] / hours.avg[there]
    implied: Floats = AIR_O2_PERCENT - ratio * (AIR_O2_PERCENT - oxygen.avg[there])
    return implied if implied.size else np.array([np.nan])


def rule(entry: RuleEntry) -> Rule:
    return Conversion(entry, **entry.defaults)
