"""From findings to a queue: evidence against honest data per outlet, combined so that it may be believed.

* A finding with a p-value becomes the e-value of the mixture of all p-to-e calibrators,
  (1 - p + p ln p) / (p ln² p) (Vovk & Wang 2021, eq. 1 and after). p already accounts for the windows
  scanned in its series; the smallest p of a rule at an outlet is multiplied by SERIES_PER_OUTLET for the
  factors tried.
* A deterministic finding says: honest data does this at most once in BOUND outlet-periods, so the indicator
  times BOUND is an e-value. The bounds are set, not measured; a rule may carry its own (`fixed_e`).
* Rules of a family, then families with fixed weights, are averaged: valid under any dependence.
* The formal list is e-BH at 5 % over all outlets of the registry (Wang & Ramdas 2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from detectors.rule import RuleEntry
from domain.findings import Family, Finding, Grade, RankedOutlet
from domain.registry import OutletId, Registry, SiteId

FAMILY_WEIGHTS: Mapping[Family, float] = {
    Family.FABRICATION: 0.4,
    Family.BYPASS: 0.3,
    Family.CAPTURE_RATE: 0.1,
    Family.DOOR_ACCESS: 0.1,
    Family.COMPLIANCE: 0.1,
}
#: Odds an honest outlet must beat to show a finding without p-value of this grade, in one period.
BOUND: Mapping[Grade, float] = {Grade.A: 1e5, Grade.B: 1e4, Grade.C: 20.0}
SERIES_PER_OUTLET = 6
FALSE_DISCOVERY_RATE = 0.05
SMALLEST_P = 1e-300

Place = tuple[SiteId, OutletId | None]


def e_value_of(p_value: float) -> float:
    """The e-value of a p-value by the mixture calibrator; 1 or less for p from about 0.16 upwards."""
    p = min(max(p_value, SMALLEST_P), 1.0)
    if p > 1 - 1e-6:
        return 0.5  # the limit of the formula, which loses all digits there
    log_p = math.log(p)
    return (1 - p + p * log_p) / (p * log_p * log_p)


def rank(
    registry: Registry, findings: Iterable[Finding], entries: Sequence[RuleEntry]
) -> tuple[RankedOutlet, ...]:
    """Every outlet of the registry, the strongest first; `entries` are the rules that ran.

    A finding on the site as a whole counts for its outlet when the site has only one, else it makes a row
    with outlet_id None.
    """
    outlets: dict[SiteId, list[OutletId]] = {}
    for outlet in registry.outlets:
        outlets.setdefault(outlet.site_id, []).append(outlet.outlet_id)
    held: dict[Place, list[Finding]] = {(s, o): [] for s, ids in outlets.items() for o in ids}
    for finding in findings:
        outlet_id = finding.outlet_id
        own = outlets.get(finding.site_id, [])
        if outlet_id is None and len(own) == 1:
            outlet_id = own[0]
        held.setdefault((finding.site_id, outlet_id), []).append(finding)
    weights = _weights(entries)
    fixed = {entry.id: entry.fixed_e for entry in entries}
    e_values = {place: _combined(found, weights, fixed) for place, found in held.items()}
    listed = e_bh(e_values)
    ranked = [
        RankedOutlet(
            site_id=place[0],
            outlet_id=place[1],
            score=score_of(e_values[place], _days(found)) if found else 0.0,
            e_value=e_values[place],
            listed=place in listed,
            families=tuple(family for family in Family if any(f.family is family for f in found)),
        )
        for place, found in held.items()
    ]
    return tuple(sorted(ranked, key=lambda r: (-r.score, -r.e_value, r.site_id, r.outlet_id or "")))


def e_bh(e_values: Mapping[Place, float], rate: float = FALSE_DISCOVERY_RATE) -> set[Place]:
    """The largest k places whose e-value reaches n / (rate k) (e-BH, Wang & Ramdas 2022)."""
    order = sorted(e_values, key=lambda place: -e_values[place])
    keep = 0
    for k, place in enumerate(order, start=1):
        if e_values[place] >= len(order) / (rate * k):
            keep = k
    return set(order[:keep])


def score_of(e_value: float, days: float) -> float:
    """0 to below 1, rising with the evidence (its order of magnitude) and slowly with the days concerned."""
    return 1 - math.exp(-(math.log10(1 + e_value) + 0.25 * math.log10(1 + days)) / 3)


def _weights(entries: Sequence[RuleEntry]) -> dict[str, float]:
    """Weight of each rule's e-value: its family's share, split evenly among the family's rules that ran."""
    size: dict[Family, int] = {}
    for entry in entries:
        size[entry.family] = size.get(entry.family, 0) + 1
    return {entry.id: FAMILY_WEIGHTS[entry.family] / size[entry.family] for entry in entries}


def _combined(
    findings: Sequence[Finding], weights: Mapping[str, float], fixed: Mapping[str, float | None]
) -> float:
    """Weighted average over rules; 1 (no evidence) without findings."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    total = sum(weights.get(rule, 0.0) * _of_rule(found, fixed.get(rule)) for rule, found in by_rule.items())
    return max(1.0, total)


def _of_rule(findings: Sequence[Finding], fixed_e: float | None) -> float:
    p_values = [f.p_value for f in findings if f.p_value is not None]
    e_values = [e_value_of(min(p_values) * SERIES_PER_OUTLET)] if p_values else []
    e_values += [BOUND[f.grade] if fixed_e is None else fixed_e for f in findings if f.p_value is None]
    return max(e_values)


def _days(findings: Sequence[Finding]) -> float:
    """Days covered by the findings, overlaps counted once."""
    covered, reached = 0.0, None
    for start, end in sorted((f.start, f.end) for f in findings):
        begin = start if reached is None or start > reached else reached
        if end > begin:
            covered += (end - begin).total_seconds()
            reached = end
    return covered / 86_400
