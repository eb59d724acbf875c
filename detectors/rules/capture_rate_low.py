"""capture_rate.low: the valid data capture rate of a quarter is below 75 %, or can no longer reach it.

HJ 75-2017 §12.1.3, per outlet, pollutant and quarter, in exact whole hours (detectors/capture.py). Judged are
factors of kind pollutant the outlet reports; auxiliary parameters are needed to make them valid and are not
counted a second time. A quarter the window covers is judged by its rate; any other only when it misses the
requirement even if every hour outside the window was valid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.capture import (
    HourStates,
    Mask,
    States,
    capture_rate,
    hour_states,
    quarter_slice,
    quarters_of,
)
from detectors.analysis.operation import production_by_hour
from detectors.analysis.stops import Doubt, unbelieved_stops
from detectors.kernels.hour_words import LOST, STOPPED
from detectors.reporting import abstain, make_finding
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Window
from detectors.wording import Words, condition_words
from domain.clock import Quarter
from domain.findings import CaptureRate, Finding, Verdict
from domain.registry import FactorCode, Outlet
from domain.standards import Condition


@dataclass(frozen=True)
class LowCaptureRate:
    entry: RuleEntry
    required_rate: float
    running_share: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        rates: list[CaptureRate] = []
        for outlet in window.registry.outlets:
            pollutants = window.pollutants_of(outlet.outlet_id)
            if not pollutants:
                abstentions.append(
                    abstain(
                        self,
                        outlet.outlet_id,
                        "该时段没有任何污染物数据",
                        "no reading of any pollutant in this period",
                    )
                )
            doubt = Doubt(power_share=self.running_share, flow_share=self.running_share)
            unbelieved = unbelieved_stops(window, outlet.outlet_id, doubt)
            for factor in pollutants:
                known = hour_states(window, outlet.outlet_id, factor)
                if known is None:
                    continue
                for rate, finding in self._quarters(window, outlet, factor, known, unbelieved):
                    rates.append(rate)
                    findings += [finding] if finding else []
        return Outcome(tuple(findings), tuple(abstentions), tuple(rates))

    def _quarters(
        self, window: Window, outlet: Outlet, factor: FactorCode, known: HourStates, unbelieved: Mask
    ) -> list[tuple[CaptureRate, Finding | None]]:
        judged = []
        for quarter in quarters_of(known.hours):
            rate = capture_rate(outlet.outlet_id, factor, quarter, known, unbelieved[: known.states.size])
            short = rate.best_possible is not None and rate.best_possible < self.required_rate
            judged.append((rate, self._finding(window, outlet, known, quarter, rate) if short else None))
        return judged

    def _finding(
        self, window: Window, outlet: Outlet, known: HourStates, quarter: Quarter, rate: CaptureRate
    ) -> Finding:
        part = quarter_slice(quarter, known.hours)
        states = known.states[part]
        complete = rate.elapsed_hours == rate.calendar_hours
        judgement, last = self._complete(rate) if complete else self._running(rate), part.stop
        if not complete:
            last = part.start + self._lost_for_good(states, quarter) + 1
        main_cause, main_hours = next(iter(rate.lost_by_cause.items()))
        best = rate.best_possible
        assert best is not None  # a quarter that only stood still is never short
        return make_finding(
            self,
            window,
            subject=outlet.outlet_id,
            outlet_id=outlet.outlet_id,
            factor=rate.factor,
            start=known.hours.time(part.start),
            end=known.hours.time(last),
            statistic=best,
            statistic_name="capture rate of the quarter" if complete else "best capture rate still possible",
            evidence={
                "quarter": rate.quarter,
                "judgement": judgement,
                "rate": rate.rate,
                "rate_believed": rate.rate_believed,
                "best_possible": best,
                "calendar_hours": rate.calendar_hours,
                "elapsed_hours": rate.elapsed_hours,
                "stopped_hours": rate.stopped_hours,
                "unbelieved_hours": rate.unbelieved_hours,
                "valid_hours": rate.valid_hours,
                "invalid_hours": rate.invalid_hours,
                "main_cause": condition_words(Condition(main_cause)),
                "main_cause_hours": main_hours,
                "lost_by_cause": rate.lost_by_cause,
            },
            verdicts=self._verdicts(window, outlet, rate, known, part),
        )

    def _complete(self, rate: CaptureRate) -> Words:
        return Words(
            f"为 {rate.rate:.1%}，低于 {self.required_rate:.0%}",
            f"is {rate.rate:.1%}, below {self.required_rate:.0%}",
        )

    def _running(self, rate: CaptureRate) -> Words:
        return Words(
            f"已不可能达到 {self.required_rate:.0%}（其余小时全部有效也只有 {rate.best_possible:.1%}）",
            f"can no longer reach {self.required_rate:.0%} "
            f"({rate.best_possible:.1%} if every other hour is valid)",
        )

    def _lost_for_good(self, states: States, quarter: Quarter) -> int:
        """Index of the hour whose loss put the requirement out of reach; more data cannot move it."""
        stopped = np.cumsum(states == STOPPED)
        lost = np.cumsum(states == LOST)
        best = quarter.hours - lost - stopped
        return int(np.argmax(best < self.required_rate * (quarter.hours - stopped)))

    def _verdicts(
        self, window: Window, outlet: Outlet, rate: CaptureRate, known: HourStates, part: slice
    ) -> dict[str, Verdict]:
        lost = rate.lost_by_cause

        def share(*conditions: Condition) -> Verdict:
            hours = sum(lost.get(c, 0) for c in conditions)
            return Verdict.SUPPORTED if 2 * hours >= rate.invalid_hours else Verdict.EXCLUDED

        states = known.states[part]
        seen = np.flatnonzero(states != LOST)
        lead = int(seen[0]) if seen.size else 0
        power = production_by_hour(window, outlet.outlet_id)[1][: known.states.size][part][states == LOST]
        stop = Verdict.UNKNOWN
        if np.count_nonzero(~np.isnan(power)) * 2 >= power.size:
            ran = np.count_nonzero(power >= self.running_share) * 2 >= power.size
            stop = Verdict.EXCLUDED if ran else Verdict.SUPPORTED
        return {
            "fault": share(Condition.FAULT),
            "maintenance": share(Condition.MAINTENANCE, Condition.CALIBRATION),
            "communication": share(Condition.COMMS_FAULT, Condition.MISSING),
            "stop": stop,
            "commissioned": Verdict.SUPPORTED if 2 * lead >= rate.invalid_hours else Verdict.EXCLUDED,
        }


def rule(entry: RuleEntry) -> Rule:
    return LowCaptureRate(entry, **entry.defaults)
