"""Hours in which a reported value does not follow from others, gathered into findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.kernels.runs import merged_runs
from detectors.reporting import declared_mostly, make_finding
from detectors.rule import Rule
from detectors.window import Floats, Grid, Window
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, Outlet
from domain.standards import Condition

Mask = npt.NDArray[np.bool_]

MOST_DECIMALS = 6

_DECLARED = {
    "calibration": (Condition.CALIBRATION, Condition.MAINTENANCE),
    "fault": (Condition.FAULT, Condition.COMMS_FAULT),
    "stop": (Condition.STOPPED, Condition.STARTING, Condition.STOPPING, Condition.BANKED),
}


@dataclass(frozen=True)
class Comparison:
    """Reported against recomputed values, (hours,) each; `allowed` is the largest honest difference."""

    reported: Floats
    expected: Floats
    allowed: Floats
    judged: Mask

    @property
    def deviates(self) -> Mask:
        return self.judged & (np.abs(self.reported - self.expected) > self.allowed)


def unit_of(values: Floats) -> float:
    """One unit of the last digit that nearly all (95 %) values are reported with, for example 0.01.

    Binary noise does not count as digits; values off every decimal grid give the finest, 1e-6.
    """
    known = values[~np.isnan(values)]
    for decimals in range(MOST_DECIMALS):
        ticks = known * 10.0**decimals
        off = np.abs(ticks - np.rint(ticks)) > 1e-6 * np.maximum(1.0, np.abs(ticks) * 1e-6)
        if np.count_nonzero(off) <= 0.05 * known.size:
            return float(10.0**-decimals)
    return float(10.0**-MOST_DECIMALS)


def disagreements(
    rule: Rule,
    window: Window,
    outlet: Outlet,
    factor: FactorCode,
    grid: Grid,
    comparison: Comparison,
    *,
    least_hours: float,
    longest_gap_hours: float,
    evidence: Mapping[str, object],
    example: Mapping[str, Floats],
    verdicts: Mapping[str, Verdict],
) -> list[Finding]:
    """One finding per stretch of deviating hours.

    The statistic is the median ratio of reported to recomputed in the deviating hours. `example` columns are
    quoted, as `example_<name>`, for the hour of the largest difference.
    """
    deviates = comparison.deviates
    difference = np.where(deviates, np.abs(comparison.reported - comparison.expected), 0.0)
    findings = []
    for first, end in zip(*merged_runs(deviates, int(longest_gap_hours)), strict=True):
        inside = np.arange(first, end)[deviates[first:end]]
        if inside.size < least_hours:
            continue
        worst = int(first + np.argmax(difference[first:end]))
        expected = comparison.expected[inside]
        above_zero = expected > 0
        ratio = comparison.reported[inside][above_zero] / expected[above_zero]
        median_ratio = float(np.median(ratio)) if ratio.size else float("inf")
        start, stop = grid.time(int(first)), grid.time(int(end))
        hours = np.zeros(deviates.size, np.bool_)
        hours[inside] = True
        findings.append(
            make_finding(
                rule,
                window,
                subject=outlet.outlet_id,
                outlet_id=outlet.outlet_id,
                factor=factor,
                start=start,
                end=stop,
                statistic=min(median_ratio, 1e6),
                statistic_name="median ratio of reported to recomputed",
                evidence={
                    **evidence,
                    "deviating_hours": int(inside.size),
                    "judged_hours": int(np.count_nonzero(comparison.judged[first:end])),
                    "median_ratio": min(median_ratio, 1e6),
                    "example_time": grid.time(worst),
                    "example_reported": comparison.reported[worst],
                    "example_expected": comparison.expected[worst],
                    "example_allowed": comparison.allowed[worst],
                    **{f"example_{name}": column[worst] for name, column in example.items()},
                },
                verdicts={
                    code: declared_mostly(window, outlet.outlet_id, hours, conditions)
                    for code, conditions in _DECLARED.items()
                }
                | dict(verdicts),
            )
        )
    return findings
