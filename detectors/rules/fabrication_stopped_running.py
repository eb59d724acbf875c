"""标停未停: hours flagged or marked stopped in which power or the stack shows operation (domain F17)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.analysis.averaging import hour_grid
from detectors.analysis.operation import Bools, production_of
from detectors.analysis.stops import Doubt, Signs, doubted, signs_of, stopped_hours
from detectors.kernels.runs import runs_of
from detectors.reporting import abstain, make_finding
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Floats, Window
from detectors.wording import Words
from domain.findings import Finding, Verdict
from domain.registry import OutletId


@dataclass(frozen=True)
class StoppedRunning:
    entry: RuleEntry
    power_share: float
    flow_share: float
    most_oxygen_percent: float
    edge_hours: float
    least_hours: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        doubt = Doubt(
            self.power_share,
            self.flow_share,
            self.most_oxygen_percent,
            int(self.edge_hours),
            int(self.least_hours),
        )
        for outlet in window.registry.outlets:
            stopped = stopped_hours(window, outlet.outlet_id)
            if not stopped.any():
                if not any(key[0] == outlet.outlet_id for key in window.series):
                    abstentions.append(
                        abstain(
                            self,
                            outlet.outlet_id,
                            "该时段没有监测数据，也没有停运标记",
                            "neither readings nor marks say whether it was stopped",
                        )
                    )
                continue
            signs = signs_of(window, outlet.outlet_id, stopped, doubt)
            if np.isnan(signs.power[stopped]).all() and np.isnan(signs.flow[stopped]).all():
                abstentions.append(
                    abstain(
                        self,
                        outlet.outlet_id,
                        "停运时段既无产污用电数据，也无流速或流量数据",
                        "neither production power nor flow is known during the declared stops",
                    )
                )
                continue
            ran = doubted(stopped, signs, doubt)
            for first, end in zip(*runs_of(ran), strict=True):
                findings.append(
                    self._finding(window, outlet.outlet_id, stopped, signs, slice(int(first), int(end)))
                )
        return Outcome(tuple(findings), tuple(abstentions))

    def _finding(
        self, window: Window, outlet_id: OutletId, stopped: Bools, signs: Signs, inside: slice
    ) -> Finding:
        hours = hour_grid(window)
        count = inside.stop - inside.start
        by_power = bool(signs.power_on[inside].any())
        by_stack = bool((signs.flow_on & (signs.oxygen_on | signs.temperature_on))[inside].any())
        _, own = production_of(window.registry, outlet_id)
        meter_frozen = by_power and float(np.ptp(_known(signs.kw[inside]), axis=0)) == 0 and count > 2
        purge = _verdict(excluded=by_power or bool(signs.oxygen_on[inside].any()))
        return make_finding(
            self,
            window,
            subject=outlet_id,
            outlet_id=outlet_id,
            start=hours.time(inside.start),
            end=hours.time(inside.stop),
            statistic=count,
            statistic_name="hours of running called stopped (h)",
            evidence={
                "hours": count,
                "signs": _signs_in_words(signs, inside, by_power),
                "mean_kw": _mean(signs.kw[inside]),
                "usual_kw": _median(signs.kw[~stopped]),
                "power_share": _mean(signs.power[inside]),
                "flow_share_of_usual": _mean(signs.flow[inside]),
                "oxygen_percent": _mean(signs.oxygen[inside]),
                "usual_oxygen_percent": _median(signs.oxygen[~stopped]),
                "temperature_c": _mean(signs.temperature[inside]),
                "usual_temperature_c": _median(signs.temperature[~stopped]),
            },
            verdicts={
                "start_up": Verdict.EXCLUDED,  # edges alone never make a finding
                "other_line": Verdict.EXCLUDED if own or by_stack else Verdict.UNKNOWN,
                "purge": purge,
                "meter_fault": Verdict.SUPPORTED
                if meter_frozen and not by_stack
                else _verdict(excluded=by_stack or not by_power),
            },
        )


def _signs_in_words(signs: Signs, inside: slice, by_power: bool) -> Words:
    zh, en = [], []
    if by_power:
        kw, share = _mean(signs.kw[inside]), _mean(signs.power[inside])
        zh.append(f"产污设施平均功率{kw:.0f}千瓦（为正常的{share:.0%}）")
        en.append(f"production drew {kw:.0f} kW ({share:.0%} of usual)")
    if signs.flow_on[inside].any():
        share = _mean(signs.flow[inside])
        zh.append(f"烟气流量为正常的{share:.0%}")
        en.append(f"gas flow was {share:.0%} of usual")
    if signs.oxygen_on[inside].any():
        oxygen = _mean(signs.oxygen[inside])
        zh.append(f"氧含量{oxygen:.1f}%")
        en.append(f"O2 {oxygen:.1f} %")
    if signs.temperature_on[inside].any():
        temperature = _mean(signs.temperature[inside])
        zh.append(f"烟温{temperature:.0f}°C")
        en.append(f"stack {temperature:.0f} °C")
    return Words("、".join(zh), ", ".join(en))


def _known(values: Floats) -> Floats:
    known = values[np.isfinite(values)]
    return known if known.size else np.zeros(1)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _verdict(*, excluded: bool) -> Verdict:
    return Verdict.EXCLUDED if excluded else Verdict.UNKNOWN


def rule(entry: RuleEntry) -> Rule:
    return StoppedRunning(entry, **entry.defaults)
