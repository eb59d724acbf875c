"""治污停运或空转: production draws power while all treatment of its line is off or idles (domain B6, B7).

Off: every treatment meter of the line is off while production works. Idling: at least one is on, none reaches
`idle_share` of its own running level, and production is at its normal level. Spare units may alternate: one
unit at work is enough. Start and stop may lag; a meter that is silent proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.analysis.averaging import hours_of
from detectors.analysis.lines import Line, Machine, lines_of
from detectors.analysis.operation import Bools, meters_of, running_level
from detectors.kernels.power_state import OFF, ON, UNKNOWN
from detectors.kernels.runs import merged_runs, runs_of
from detectors.reporting import abstain, declared, make_finding, span
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Floats, Window
from detectors.wording import Words
from domain.findings import Finding, Verdict
from domain.registry import MeterRole, OutletId
from domain.standards import CONDITION_CODES, Condition, factors

OFF_WORDS = Words("停运", "off")
IDLE_WORDS = Words("空转", "idling")
#: A pollutant this many times its usual value shows that the gas really went untreated.
RISEN = 1.5


@dataclass(frozen=True)
class TreatmentOff:
    entry: RuleEntry
    on_share: float
    off_share: float
    production_share: float
    idle_share: float
    normal_share: float
    off_minutes: float
    idle_minutes: float
    start_lag_minutes: float
    stop_lag_minutes: float
    dwell_minutes: float

    def evaluate(self, window: Window) -> Outcome:
        lines = lines_of(window, self.on_share, self.off_share, self.dwell_minutes)
        findings = [finding for line in lines for finding in self._findings(window, line)]
        return Outcome(tuple(findings), tuple(self._abstentions(window, lines)))

    def _abstentions(self, window: Window, lines: Sequence[Line]) -> list[Abstention]:
        said = []
        if not lines and meters_of(window.registry, MeterRole.TREATMENT):
            said.append(
                abstain(
                    self,
                    window.site_id,
                    "产污或治污设施没有用电数据",
                    "no power readings of production or of treatment",
                )
            )
        for line in lines:
            if line.silent:
                silent = "、".join(line.silent)
                said.append(
                    abstain(
                        self,
                        line.name or window.site_id,
                        f"治污电表{silent}没有数据，无法断定其停运",
                        f"treatment meters {silent} are silent, so treatment cannot be called off",
                    )
                )
        return said

    def _findings(self, window: Window, line: Line) -> list[Finding]:
        if line.silent:
            return []
        total = np.sum([m.kw for m in line.production], axis=0)
        rated = [m.meter.rated_kw for m in line.production]
        level = running_level(total, sum(r for r in rated if r) if all(rated) else None)
        share = total / level
        working = np.any([m.states == ON for m in line.production], axis=0)
        steady = self._past_lags(working & (share >= self.off_share), line)
        states = np.stack([m.states for m in line.treatment])
        levels = np.stack([m.kw / m.running_kw for m in line.treatment])
        known = ~(states == UNKNOWN).any(axis=0)
        all_off = known & (states == OFF).all(axis=0)
        none_working = known & ~((states == ON) & (levels >= self.idle_share)).any(axis=0)
        off = steady & all_off & (share >= self.production_share)
        idle = steady & none_working & ~all_off & (share >= self.normal_share)
        found = []
        for mask, words, minutes in (
            (off, OFF_WORDS, self.off_minutes),
            (idle, IDLE_WORDS, self.idle_minutes),
        ):
            least = max(2, int(np.ceil(minutes * 60_000_000 / line.grid.step_us)))
            for first, end in _episodes(mask, none_working, least):
                found.append(self._finding(window, line, total, level, mask, slice(first, end), words))
        return found

    def _past_lags(self, working: Bools, line: Line) -> Bools:
        """Working intervals without those in which treatment may still follow or already lead."""
        start = int(np.ceil(self.start_lag_minutes * 60_000_000 / line.grid.step_us))
        stop = int(np.ceil(self.stop_lag_minutes * 60_000_000 / line.grid.step_us))
        steady = working.copy()
        for first, end in zip(*runs_of(working), strict=True):
            if first > 0:
                steady[first : first + start] = False
            if end < working.size:
                steady[max(first, end - stop) : end] = False
        return steady

    def _finding(
        self,
        window: Window,
        line: Line,
        production: Floats,
        level: float,
        mask: Bools,
        inside: slice,
        words: Words,
    ) -> Finding:
        start, end = line.grid.time(inside.start), line.grid.time(inside.stop)
        treatment = np.sum([m.kw for m in line.treatment], axis=0)
        at_work = (production >= self.normal_share * level) & ~mask
        outlet_id = line.outlet_ids[0] if len(line.outlet_ids) == 1 else None
        stack = _stack(window, line.outlet_ids, start, end)
        hours = float(mask[inside].sum()) * line.grid.step_us / 3_600_000_000
        return make_finding(
            self,
            window,
            subject=line.name or (outlet_id or window.site_id),
            outlet_id=outlet_id,
            start=start,
            end=end,
            statistic=hours,
            statistic_name="hours of production without working treatment (h)",
            evidence={
                "kind": words,
                "hours": hours,
                "production_kw": _mean(production[inside]),
                "usual_production_kw": level,
                "treatment_kw": _mean(treatment[inside]),
                "usual_treatment_kw": _median(treatment[at_work]),
                "production_meters": [m.meter.meter_id for m in line.production],
                "treatment_meters": [
                    {
                        "meter": m.meter.meter_id,
                        "kw": _mean(m.kw[inside]),
                        "running_kw": m.running_kw,
                        "rated_kw": m.meter.rated_kw,
                    }
                    for m in line.treatment
                ],
                "stack": stack,
            },
            verdicts={
                "stop": Verdict.EXCLUDED,
                "spare_unit": Verdict.EXCLUDED,
                "meter_fault": _meter_fault(line.treatment, inside, stack),
                "fault": _declared_fault(window, line.outlet_ids, start, end),
            },
        )


def _episodes(mask: Bools, none_working: Bools, least: int) -> list[tuple[int, int]]:
    """Stretches of the mask with at least `least` intervals, joined while no treatment came back between."""
    joined: list[tuple[int, int]] = []
    for first, end in zip(*merged_runs(mask, 2 * least), strict=True):
        pieces = runs_of(mask[first:end])
        open_first = int(first)
        for piece_end, next_first in zip(pieces[1][:-1], pieces[0][1:], strict=True):
            if not none_working[first + piece_end : first + next_first].all():
                joined.append((open_first, int(first + piece_end)))
                open_first = int(first + next_first)
        joined.append((open_first, int(end)))
    return [(first, end) for first, end in joined if np.count_nonzero(mask[first:end]) >= least]


def _stack(
    window: Window, outlet_ids: Sequence[OutletId], start: datetime, end: datetime
) -> list[dict[str, object]]:
    """Valid hour means of the pollutants in the interval against their usual value."""
    seen: list[dict[str, object]] = []
    for outlet_id, factor in sorted({(o, f) for o, f, _ in window.series if o in outlet_ids}):
        known = factors().get(factor)
        hours = hours_of(window, outlet_id, factor)
        if known is None or known.kind != "pollutant" or hours is None:
            continue
        valid = (hours.condition == CONDITION_CODES[Condition.VALID]) & np.isfinite(hours.avg)
        inside = span(hours, start, end)
        here = hours.avg[inside][valid[inside]]
        if here.size:
            seen.append(
                {
                    "outlet_id": outlet_id,
                    "factor": factor,
                    "inside": float(here.mean()),
                    "usual": _median(hours.avg[valid]),
                    "unit": known.unit,
                }
            )
    return seen


def _meter_fault(treatment: Sequence[Machine], inside: slice, stack: Sequence[dict[str, object]]) -> Verdict:
    """Excluded by pollutants that rose or by power that is low but alive; all exact zeros leave it open."""
    for row in stack:
        value, usual = row["inside"], row["usual"]
        if isinstance(value, float) and isinstance(usual, float) and value >= RISEN * usual:
            return Verdict.EXCLUDED
    alive = any(np.ptp(m.kw[inside]) > 0 for m in treatment)
    return Verdict.EXCLUDED if alive else Verdict.UNKNOWN


def _declared_fault(
    window: Window, outlet_ids: Sequence[OutletId], start: datetime, end: datetime
) -> Verdict:
    said = {declared(window, o, start, end, (Condition.FAULT, Condition.MAINTENANCE)) for o in outlet_ids}
    for verdict in (Verdict.SUPPORTED, Verdict.EXCLUDED):
        if verdict in said:
            return verdict
    return Verdict.UNKNOWN


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def rule(entry: RuleEntry) -> Rule:
    return TreatmentOff(entry, **entry.defaults)
