"""恒值: a factor shows exactly the same value for longer than its own habit allows (domain F1).

The length of a run is judged against the tie process of the same series: how often a value repeats and how
long such runs go on, at this level and at this load. A fixed length only serves as a floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import hour_grid, hour_of_interval
from detectors.analysis.operation import production_by_hour
from detectors.analysis.usable import Usable, nothing_usable, points, usable_of_outlet
from detectors.kernels.runs_chance import TRUSTED, expected_runs, length_counts
from detectors.kernels.runs_equal import long_runs, maximal_runs
from detectors.reporting import abstain, declared, make_finding
from detectors.rule import Abstention, Outcome, Rule, RuleEntry
from detectors.window import Floats, Window
from detectors.wording import Words, factor_words
from domain.findings import Finding, Verdict
from domain.registry import FactorCode, OutletId
from domain.standards import Condition, factors

#: Runs of a level are those between v/NEIGHBOURS and v·NEIGHBOURS: analyser noise grows with the value.
NEIGHBOURS = 1.5
#: A share of the running level by which two loads are alike.
LIKE_LOAD = 0.1
#: Members of a joint finding overlap by this share of the shorter one.
TOGETHER = 0.5


@dataclass(frozen=True)
class Run:
    """One constant stretch of `points` usable values; gaps bridged inside do not count as length."""

    factor: FactorCode
    start: datetime
    end: datetime
    points: int
    value: float
    chance: float  # such runs expected by chance in the series
    tie_share: float  # how often a value equals the one before, where it does so most
    resolution: float
    moved_inside: bool  # the extremes of single intervals show movement the means do not

    @property
    def hours(self) -> float:
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(frozen=True)
class Constant:
    entry: RuleEntry
    least_gas_hours: float
    least_parameter_hours: float
    joint_hours: float
    joint_factors: float
    bridge_hours: float
    most_chance_runs: float
    most_tie_share: float
    least_steps: float
    off_share: float

    def evaluate(self, window: Window) -> Outcome:
        findings: list[Finding] = []
        abstentions: list[Abstention] = []
        for outlet in window.registry.outlets:
            judged = usable_of_outlet(window, outlet.outlet_id, self.off_share)
            if not judged:
                abstentions.append(nothing_usable(self, outlet.outlet_id))
                continue
            _, load = production_by_hour(window, outlet.outlet_id)
            runs: list[Run] = []
            for usable in judged:
                made, unjudged = self._runs(window, usable, load, len(judged))
                runs += made
                if unjudged:
                    words = factor_words(usable.factor)
                    abstentions.append(
                        abstain(
                            self,
                            f"{outlet.outlet_id}/{usable.factor}",
                            f"{words.zh}变化太少，无从得知其正常的重复规律",
                            f"{words.en} moves too little to learn how long it repeats by nature",
                        )
                    )
            findings += [
                self._finding(window, outlet.outlet_id, group, len(judged))
                for group in together(runs)
                if self._enough(group)
            ]
        return Outcome(tuple(findings), tuple(abstentions))

    def _runs(self, window: Window, usable: Usable, load: Floats, tests: int) -> tuple[list[Run], bool]:
        """Runs of one series that chance does not explain; True when a long run could not be judged."""
        grid = usable.grid
        per_hour = timedelta(hours=1) / grid.step
        least = max(3, int(np.ceil(min(self.joint_hours, self.least_gas_hours) * per_hour)))
        bridge = int(self.bridge_hours * per_hour)
        ticks, index = points(usable)
        candidates = long_runs(ticks, index, least, bridge)
        if not len(candidates):
            return [], False
        starts = maximal_runs(ticks, index, bridge)
        lengths = np.diff(starts)
        if lengths.size < TRUSTED:
            return [], True
        levels = ticks[starts[:-1]].astype(np.float64)
        loads = _load_at(window, usable, load, index[starts[:-1]])
        counts = length_counts(lengths, int(lengths.max()))
        found = []
        for first, end in candidates:
            this = int(np.searchsorted(starts, first))
            if expected_runs(counts, int(lengths[this])) * tests >= self.most_chance_runs:
                continue  # most end here, before the closer look
            if 0 <= ticks[first] < self.least_steps * usable.step and not _signed(usable.factor):
                continue
            chance, tie_share = _chance(lengths, levels, loads, this)
            if tie_share > self.most_tie_share or chance * tests >= self.most_chance_runs:
                continue
            inside = slice(index[first], index[end - 1] + 1)
            spread = usable.series.max[inside] - usable.series.min[inside]
            found.append(
                Run(
                    factor=usable.factor,
                    start=grid.time(int(index[first])),
                    end=grid.time(int(index[end - 1]) + 1),
                    points=int(end - first),
                    value=float(usable.series.avg[index[first]]),
                    chance=chance,
                    tie_share=tie_share,
                    resolution=usable.resolution,
                    moved_inside=bool(np.nanmax(spread, initial=0.0) > 0),
                )
            )
        return found, False

    def _enough(self, group: Sequence[Run]) -> bool:
        if len({r.factor for r in group}) >= self.joint_factors:
            return True
        return any(r.hours >= self._floor(r.factor) for r in group)

    def _floor(self, code: FactorCode) -> float:
        known = factors().get(code)
        gas = known is None or known.kind == "pollutant"
        return self.least_gas_hours if gas else self.least_parameter_hours

    def _finding(self, window: Window, outlet_id: OutletId, group: Sequence[Run], tests: int) -> Finding:
        start, end = min(r.start for r in group), max(r.end for r in group)
        longest = max(group, key=lambda r: (r.points, r.factor))
        chance = min(r.chance for r in group)
        names = [factor_words(r.factor) for r in group]
        units = [known.unit if (known := factors().get(r.factor)) else "" for r in group]
        values = [f"{r.value:g} {unit}".strip() for r, unit in zip(group, units, strict=True)]
        share = _share_inside(window, outlet_id, start, end)
        stop = Verdict.EXCLUDED if share >= self.off_share else _stopped(window, outlet_id, start, end)
        calibration = declared(window, outlet_id, start, end, (Condition.CALIBRATION, Condition.MAINTENANCE))
        faulty = declared(window, outlet_id, start, end, (Condition.FAULT, Condition.COMMS_FAULT))
        return make_finding(
            self,
            window,
            subject=outlet_id,
            outlet_id=outlet_id,
            factor=group[0].factor if len(group) == 1 else None,
            start=start,
            end=end,
            statistic=longest.points,
            statistic_name="equal valid values in a row",
            p_value=min(1.0, chance * tests),
            null_model="run lengths of equal values in the rest of the series, by level and load",
            evidence={
                "factors": Words("、".join(w.zh for w in names), ", ".join(w.en for w in names)),
                "values": "，".join(values),
                "points": longest.points,
                "hours": longest.hours,
                "chance": chance,
                "production_share": share,
                "runs": [
                    {
                        "factor": r.factor,
                        "start": r.start,
                        "end": r.end,
                        "value": r.value,
                        "points": r.points,
                        "chance_runs": r.chance,
                        "usual_tie_share": r.tie_share,
                        "resolution": r.resolution,
                        "extremes_moved": r.moved_inside,
                    }
                    for r in group
                ],
            },
            verdicts={
                "stop": stop,
                # a stuck instrument nobody declared stays possible
                "fault": Verdict.SUPPORTED if faulty is Verdict.SUPPORTED else Verdict.UNKNOWN,
                "calibration": calibration,
                "coarse_instrument": Verdict.EXCLUDED,
                "detection_limit": Verdict.EXCLUDED,
            },
        )


def together(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of different factors that overlap by TOGETHER of the shorter one, as one group; in time order."""
    groups: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: (r.start, r.factor)):
        for group in groups:
            other = max(group, key=lambda r: min(r.end, run.end) - max(r.start, run.start))
            shared = min(other.end, run.end) - max(other.start, run.start)
            shorter = min(other.end - other.start, run.end - run.start)
            if run.factor not in {r.factor for r in group} and shared >= TOGETHER * shorter:
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _chance(lengths: npt.NDArray[np.int64], levels: Floats, loads: Floats, this: int) -> tuple[float, float]:
    """Runs as long as run `this` expected by chance, and how often values tie without it.

    Both are the most of three looks: at all other runs, at those of its level, at those of its load.
    """
    rest = np.ones(lengths.size, bool)
    rest[this] = False
    level, load = levels[this], loads[this]
    looks = [rest]
    if level > 0:
        looks.append(rest & (levels >= level / NEIGHBOURS) & (levels <= level * NEIGHBOURS))
    if np.isfinite(load):
        looks.append(rest & (np.abs(loads - load) <= LIKE_LOAD))
    longest = int(lengths[this])
    told = [lengths[mask] for mask in looks if mask is rest or np.count_nonzero(mask) >= TRUSTED]
    chances = [float(expected_runs(length_counts(seen, longest), longest)) for seen in told]
    return max(chances), max(float(1 - seen.size / seen.sum()) for seen in told)


def _signed(code: FactorCode) -> bool:
    """Factors that may lie below zero: their zero is no bottom."""
    known = factors().get(code)
    return known is not None and known.plausible_min < 0


def _load_at(window: Window, usable: Usable, load: Floats, index: npt.NDArray[np.int64]) -> Floats:
    hour = hour_of_interval(usable.grid, hour_grid(window))[index]
    inside = (hour >= 0) & (hour < load.size)
    return np.where(inside, load[np.clip(hour, 0, max(load.size - 1, 0))], np.nan)


def _share_inside(window: Window, outlet_id: OutletId, start: datetime, end: datetime) -> float:
    """Mean production power inside as a share of its running level; NaN without meters."""
    hours = hour_grid(window)
    _, share = production_by_hour(window, outlet_id)
    first = int((start - hours.time(0)) / hours.step)
    inside = share[max(0, first) : int(np.ceil((end - hours.time(0)) / hours.step))]
    known = inside[np.isfinite(inside)]
    return float(known.mean()) if known.size else float("nan")


def _stopped(window: Window, outlet_id: OutletId, start: datetime, end: datetime) -> Verdict:
    verdict = declared(window, outlet_id, start, end, (Condition.STOPPED, Condition.BANKED))
    return Verdict.SUPPORTED if verdict is Verdict.SUPPORTED else Verdict.UNKNOWN


def rule(entry: RuleEntry) -> Rule:
    return Constant(entry, **entry.defaults)
