"""Findings against the truth: recall by kind, false findings by rule, exactness of capture counts.

A truth is found when a finding of an expected rule at its place overlaps at least half of it, or lies in it
by at least half of itself. A finding is false when it overlaps no truth of any kind at its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from domain.findings import CaptureRate, Finding
from domain.registry import OutletId, SiteId
from simulators.errors import SimulationError
from simulators.recorded import CaptureCount, Record
from simulators.tampering import Note, Truth

#: Quarters have 90 to 92 days; rates are per this.
QUARTER = timedelta(days=365.2425 / 4)
LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Claim:
    """What scoring needs of a finding. `outlet_id` None: about the site; `factor` None: about the outlet."""

    rule: str
    site_id: SiteId
    outlet_id: OutletId | None
    factor: str | None
    start: datetime
    end: datetime


@dataclass(frozen=True)
class KindScore:
    """`delay_hours`: median from the start of a found truth to the start of its first finding."""

    kind: str
    expected_rules: tuple[str, ...]
    planted: int
    found: int
    delay_hours: float | None
    missed: tuple[str, ...]

    @property
    def recall(self) -> float | None:
        """None where no rule exists yet."""
        return self.found / self.planted if self.expected_rules else None


@dataclass(frozen=True)
class RuleScore:
    """`beside`: findings on a truth this rule was not expected to find; `false_on_notes`: of the false ones,
    how many lie on each kind of honest near-miss."""

    rule: str
    findings: int
    right: int
    beside: int
    false: int
    false_per_site_quarter: float
    false_on_notes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CaptureScore:
    """Capture rates compared with exact counts; `wrong` names those whose hours differ."""

    compared: int
    exact: int
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    kinds: tuple[KindScore, ...]
    rules: tuple[RuleScore, ...]
    capture: CaptureScore
    site_quarters: float


def claims_of(findings: Iterable[Finding]) -> list[Claim]:
    return [Claim(f.rule, f.site_id, f.outlet_id, f.factor, f.start, f.end) for f in findings]


def read_claims(path: Path) -> list[Claim]:
    """Claims of a findings.parquet. Raises SimulationError naming the file."""
    columns = ["rule", "site_id", "outlet_id", "factor", "start", "end"]
    try:
        table = pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SimulationError(f"{path} is no table of findings: {error}") from error
    return [Claim(*row) for row in table.select(columns).iter_rows()]


def read_capture_rates(path: Path) -> list[CaptureCount]:
    """Counts of a capture_rates.parquet. Raises SimulationError naming the file."""
    columns = ["outlet_id", "factor", "quarter", "elapsed_hours", "stopped_hours", "valid_hours"]
    try:
        table = pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SimulationError(f"{path} is no table of capture rates: {error}") from error
    return [CaptureCount(*row) for row in table.select(columns).iter_rows()]


def counts_of(rates: Iterable[CaptureRate]) -> list[CaptureCount]:
    return [
        CaptureCount(r.outlet_id, r.factor, r.quarter, r.elapsed_hours, r.stopped_hours, r.valid_hours)
        for r in rates
    ]


def score(
    claims: Sequence[Claim], recorded: Record, sites: int, capture: Sequence[CaptureCount] = ()
) -> Score:
    """Judge all findings of a run over the recorded period; `sites` is how many plants were watched."""
    site_quarters = sites * ((recorded.end - recorded.start) / QUARTER)
    by_site: dict[SiteId, list[Claim]] = {}
    for claim in claims:
        by_site.setdefault(claim.site_id, []).append(claim)
    kinds = [
        _kind(kind, [t for t in recorded.truths if t.kind == kind], by_site)
        for kind in dict.fromkeys(truth.kind for truth in recorded.truths)
    ]
    rules = [
        _rule(rule, [claim for claim in claims if claim.rule == rule], recorded, site_quarters)
        for rule in sorted({claim.rule for claim in claims})
    ]
    return Score(tuple(kinds), tuple(rules), _capture(capture, recorded.capture), site_quarters)


def finds(claim: Claim, truth: Truth) -> bool:
    """Whether a finding counts as finding a truth."""
    if claim.rule not in truth.expected_rules or not _same_place(claim, truth):
        return False
    if claim.factor is not None and truth.factors and claim.factor not in truth.factors:
        return False
    common = _overlap(claim, truth)
    shorter = min(truth.end - truth.start, claim.end - claim.start)
    return common > timedelta() and common >= LEAST_OVERLAP * shorter


def _kind(kind: str, truths: list[Truth], by_site: dict[SiteId, list[Claim]]) -> KindScore:
    delays, missed = [], []
    for truth in truths:
        found = [claim for claim in by_site.get(truth.site_id, ()) if finds(claim, truth)]
        if found:
            first = min(claim.start for claim in found)
            delays.append(max(first - truth.start, timedelta()) / timedelta(hours=1))
        else:
            missed.append(f"{truth.outlet_id} {truth.start.isoformat()}")
    delay = float(np.median(delays)) if delays else None
    expected = tuple(dict.fromkeys(rule for truth in truths for rule in truth.expected_rules))
    return KindScore(kind, expected, len(truths), len(delays), delay, tuple(missed))


def _rule(rule: str, claims: list[Claim], recorded: Record, site_quarters: float) -> RuleScore:
    right = beside = false = 0
    on_notes: Counter[str] = Counter()
    for claim in claims:
        touched = [t for t in recorded.truths if _same_place(claim, t) and _overlap(claim, t) > timedelta()]
        if any(rule in truth.expected_rules for truth in touched):
            right += 1
        elif touched:
            beside += 1
        else:
            false += 1
            on_notes.update(
                {n.kind for n in recorded.notes if _same_place(claim, n) and _overlap(claim, n) > timedelta()}
            )
    return RuleScore(
        rule, len(claims), right, beside, false, false / site_quarters, tuple(sorted(on_notes.items()))
    )


def _capture(given: Sequence[CaptureCount], exact: Sequence[CaptureCount]) -> CaptureScore:
    known = {(count.outlet_id, count.factor, count.quarter): count for count in exact}
    compared = [count for count in given if (count.outlet_id, count.factor, count.quarter) in known]
    wrong = [
        f"{count.outlet_id} {count.factor} {count.quarter}"
        for count in compared
        if count != known[count.outlet_id, count.factor, count.quarter]
    ]
    return CaptureScore(len(compared), len(compared) - len(wrong), tuple(wrong))


def _same_place(claim: Claim, place: Truth | Note) -> bool:
    return claim.site_id == place.site_id and claim.outlet_id in (None, place.outlet_id)


def _overlap(claim: Claim, place: Truth | Note) -> timedelta:
    return min(claim.end, place.end) - max(claim.start, place.start)
