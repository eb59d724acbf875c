"""Runs of intervals above a limit, as findings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.analysis.limits import Limits
from detectors.kernels.runs import runs_of
from detectors.reporting import declared, make_finding
from detectors.rule import Rule
from detectors.window import Floats, Grid, Window
from detectors.wording import Words
from domain.findings import Finding
from domain.registry import Basis, FactorCode, Outlet
from domain.standards import Condition

BASES = {Basis.MEASURED: Words("实测", "measured"), Basis.CONVERTED: Words("折算", "converted")}

_DECLARED = {
    "start_stop": (Condition.STARTING, Condition.STOPPING, Condition.BANKED),
    "calibration": (Condition.CALIBRATION, Condition.MAINTENANCE),
    "fault": (Condition.FAULT, Condition.COMMS_FAULT),
}


def exceedances(
    rule: Rule,
    window: Window,
    outlet: Outlet,
    factor: FactorCode,
    grid: Grid,
    values: Floats,
    judged: npt.NDArray[np.bool_],
    limits: Limits,
    counted: str,
) -> list[Finding]:
    """One finding per run of judged intervals above their limit; `counted` names their number in evidence.

    The statistic is the largest ratio of value to limit in the run.
    """
    above = judged & (values > limits.mg_m3)
    ratio = np.divide(values, limits.mg_m3, out=np.zeros(values.size), where=above)
    findings = []
    for first, end in zip(*runs_of(above), strict=True):
        worst = int(first + np.argmax(ratio[first:end]))
        start, stop = max(grid.time(first), window.start), min(grid.time(end), window.end)
        findings.append(
            make_finding(
                rule,
                window,
                subject=outlet.outlet_id,
                outlet_id=outlet.outlet_id,
                factor=factor,
                start=start,
                end=stop,
                statistic=ratio[worst],
                statistic_name="largest ratio of mean to limit",
                evidence={
                    counted: int(end - first),
                    "basis": BASES[limits.basis],
                    "limit_mg_m3": limits.mg_m3[worst],
                    "limit_source": limits.source,
                    "worst_mg_m3": values[worst],
                    "worst_time": grid.time(worst),
                    "values_mg_m3": values[first:end][:48].round(4),
                },
                verdicts={
                    code: declared(window, outlet.outlet_id, start, stop, conditions)
                    for code, conditions in _DECLARED.items()
                },
            )
        )
    return findings
