"""重放: a stretch of data shows up again, in the same outlet or another one of the plant (domain F3, F25).

No fixed length: a repeat is reported when the outlet's own habits do not bring one as long about
(detectors/repeats.py). Stretches of several factors at the same lag are one finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from detectors.analysis.repeats import Repeat, repeats_of_factor
from detectors.analysis.usable import Usable, nothing_usable, usable_of_site
from detectors.reporting import declared, make_finding
from detectors.rule import Outcome, Rule, RuleEntry
from detectors.window import Window
from detectors.wording import Words, factor_words
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, OutletId
from domain.standards import Condition

#: Two stretches are one act when they share this much of the shorter.
TOGETHER = 0.5
#: A twin over this share of the common time looks like one analyser registered twice.
ALWAYS = 0.9
#: Values of source and copy shown as an example.
EXAMPLES = 6

KINDS = {
    "replay": Words("重放历史数据", "replay of earlier data"),
    "cross": Words("跨排口复制数据", "data copied between outlets"),
    "twin": Words("同时刻孪生数据（两排口数据相同）", "same-time twin of another outlet"),
}


@dataclass(frozen=True)
class Replay:
    entry: RuleEntry
    most_chance_repeats: float
    bridge_hours: float
    shortest_points: float
    off_share: float

    def evaluate(self, window: Window) -> Outcome:
        by_factor: dict[tuple[FactorCode, int], list[Usable]] = defaultdict(list)
        usable = usable_of_site(window, self.off_share)
        for one in usable:
            by_factor[one.factor, one.grid.step_us].append(one)
        found: list[Repeat] = []
        tests = 0
        for (_, step_us), series in sorted(by_factor.items()):
            bridge = int(self.bridge_hours * 3_600_000_000 / step_us)
            made, done = repeats_of_factor(series, bridge, int(self.shortest_points))
            found += made
            tests += done
        groups = acts(
            [r for r in found if r.points >= self.shortest_points], self.most_chance_repeats / max(tests, 1)
        )
        return Outcome(
            tuple(self._finding(window, group, tests, usable) for group in groups),
            tuple(
                nothing_usable(self, outlet.outlet_id)
                for outlet in window.registry.outlets
                if outlet.outlet_id not in {u.outlet_id for u in usable}
            ),
        )

    def _finding(
        self, window: Window, group: Sequence[Repeat], tests: int, usable: Sequence[Usable]
    ) -> Finding:
        lead = group[0]
        grid = lead.copied.grid
        start, end = (grid.time(lead.copy), grid.time(lead.copy + lead.places))
        source = lead.original.grid.time(lead.source)
        names = [factor_words(r.copied.factor) for r in group]
        outlet_id = lead.copied.outlet_id
        verdicts = {
            "stop": _declared(window, outlet_id, start, end, (Condition.STOPPED, Condition.BANKED)),
            "fault": _declared(window, outlet_id, start, end, (Condition.FAULT, Condition.COMMS_FAULT)),
            "calibration": declared(window, outlet_id, start, end, (Condition.CALIBRATION,)),
            "coarse_instrument": Verdict.EXCLUDED,
            "shared_analyser": _shared(lead, usable),
        }
        return make_finding(
            self,
            window,
            subject=outlet_id
            if lead.kind == "replay"
            else f"{lead.original.outlet_id} → {outlet_id}"
            if lead.kind == "cross"
            else f"{lead.original.outlet_id} = {outlet_id}",
            outlet_id=outlet_id,
            factor=lead.copied.factor if len(group) == 1 else None,
            start=start,
            end=end,
            statistic=lead.points,
            statistic_name="values repeated outside flat stretches",
            p_value=min(1.0, lead.chance * tests),
            null_model="chance agreement of the same series at other lags: pairs x P1 x rho^(L-1)",
            evidence={
                "kind": KINDS[lead.kind],
                "factors": Words("、".join(w.zh for w in names), ", ".join(w.en for w in names)),
                "how": _how(lead),
                "points": lead.points,
                "hours": (end - start) / timedelta(hours=1),
                "chance": lead.chance,
                "source_outlet": lead.original.outlet_id,
                "source_start": source,
                "source_end": source + (end - start),
                "offset": lead.offset,
                "members": [
                    {
                        "factor": r.copied.factor,
                        "start": r.copied.grid.time(r.copy),
                        "end": r.copied.grid.time(r.copy + r.places),
                        "source_start": r.original.grid.time(r.source),
                        "points": r.points,
                        "offset": r.offset,
                        "chance_repeats": r.chance,
                        "resolution": r.copied.resolution,
                        "copied_values": r.copied.series.avg[r.copy : r.copy + EXAMPLES],
                        "source_values": r.original.series.avg[r.source : r.source + EXAMPLES],
                    }
                    for r in group
                ],
            },
            verdicts=verdicts,
        )


def acts(found: Sequence[Repeat], least_chance: float) -> list[list[Repeat]]:
    """Repeats that belong to one act, those below `least_chance` leading, the most telling first.

    Other factors at the same lag join; a stretch already told of (as the copy of another source, or of a
    longer repeat) is not told again.
    """
    groups: list[list[Repeat]] = []
    for repeat in sorted(
        found, key=lambda r: (r.chance, -r.points, r.copied.outlet_id, r.copied.factor, r.copy)
    ):
        for group in groups:
            lead = group[0]
            if lead.copied.outlet_id == repeat.copied.outlet_id and _overlap(lead, repeat) >= TOGETHER:
                same = (lead.original.outlet_id, _lag(lead)) == (repeat.original.outlet_id, _lag(repeat))
                if same and repeat.copied.factor not in {r.copied.factor for r in group}:
                    group.append(repeat)
                break
        else:
            if repeat.chance < least_chance:
                groups.append([repeat])
    return sorted(groups, key=lambda g: (g[0].copied.outlet_id, g[0].copy, g[0].copied.factor))


def _lag(repeat: Repeat) -> int:
    return repeat.copy - repeat.source


def _overlap(one: Repeat, other: Repeat) -> float:
    """Share of the shorter copy that lies in the other copy; 0 for series on different grids."""
    if one.copied.grid != other.copied.grid:
        return 0.0
    shared = min(one.copy + one.places, other.copy + other.places) - max(one.copy, other.copy)
    return shared / min(one.places, other.places)


def _how(lead: Repeat) -> Words:
    if lead.offset == 0:
        return Words("逐点完全相同", "equal point by point")
    sign = "+" if lead.offset > 0 else "−"
    size = f"{abs(lead.offset):g}"
    return Words(f"逐点相差同一常数（{sign}{size}）", f"differ by one constant ({sign}{size}) from")


def _declared(
    window: Window, outlet_id: OutletId, start: datetime, end: datetime, conditions: tuple[Condition, ...]
) -> Verdict:
    """What a plant did not declare may still have happened: never better than UNKNOWN."""
    verdict = declared(window, outlet_id, start, end, conditions)
    return Verdict.SUPPORTED if verdict is Verdict.SUPPORTED else Verdict.UNKNOWN


def _shared(lead: Repeat, usable: Sequence[Usable]) -> Verdict:
    if lead.kind != "twin":
        return Verdict.EXCLUDED
    covered = [
        min(int(np.isfinite(u.series.avg).sum()) for u in usable if u.outlet_id == outlet_id)
        for outlet_id in (lead.original.outlet_id, lead.copied.outlet_id)
    ]
    return Verdict.SUPPORTED if lead.points >= ALWAYS * min(covered) else Verdict.UNKNOWN


def rule(entry: RuleEntry) -> Rule:
    return Replay(entry, **entry.defaults)
