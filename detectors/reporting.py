"""How a rule says what it saw: findings with sentences, abstentions, verdicts on innocent explanations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from detectors.analysis.averaging import hour_grid, hours_of
from detectors.rule import Abstention, Rule
from detectors.window import Series, Window
from detectors.wording import factor_words, fill, plain
from domain.clock import to_microseconds
from domain.findings import Evidence, Explanation, Finding, Verdict
from domain.registry import OutletId
from domain.standards import CONDITION_CODES, Condition, mark_kinds

NO_VERDICTS: Mapping[str, Verdict] = {}


def parameters_of(rule: Rule) -> dict[str, float]:
    """The rule's parameter values by name (every field but its catalogue entry)."""
    return {f.name: getattr(rule, f.name) for f in fields(cast(Any, rule)) if f.name != "entry"}


def make_finding(
    rule: Rule,
    window: Window,
    *,
    subject: str,
    start: datetime,
    end: datetime,
    statistic: float,
    statistic_name: str,
    evidence: Evidence,
    outlet_id: OutletId | None = None,
    factor: str | None = None,
    p_value: float | None = None,
    null_model: str | None = None,
    verdicts: Mapping[str, Verdict] = NO_VERDICTS,
) -> Finding:
    """A finding on `[start, end)` (aware UTC) with both sentences filled.

    Templates may use every key of `evidence`, the rule's parameters, and `site`, `outlet`, `subject`,
    `factor`, `start`, `end`, `duration_hours`, `statistic`, `p_value`. Evidence may hold numbers, NumPy
    scalars, aware times, `Words` and lists or mappings of these. Explanations without a verdict are UNKNOWN.
    Raises KeyError when a template asks for what is not there.
    """
    entry = rule.entry
    outlet = next((o for o in window.registry.outlets if o.outlet_id == outlet_id), None)
    site = next((s for s in window.registry.sites if s.site_id == window.site_id), None)
    values: dict[str, object] = {
        **parameters_of(rule),
        "site": (site.name if site else "") or window.site_id,
        "outlet": (outlet.name if outlet else "") or outlet_id or subject,
        "subject": subject,
        "factor": factor_words(factor) if factor else "",
        "start": start,
        "end": end,
        "duration_hours": (end - start).total_seconds() / 3600,
        "statistic": float(statistic),
        "p_value": p_value,
        **evidence,
    }
    return Finding(
        rule=entry.id,
        version=entry.version,
        family=entry.family,
        grade=entry.grade,
        site_id=window.site_id,
        outlet_id=outlet_id,
        subject=subject,
        factor=factor,
        start=start,
        end=end,
        statistic=float(statistic),
        statistic_name=statistic_name,
        sentence_zh=fill(entry.sentence_zh, values, "zh"),
        sentence_en=fill(entry.sentence_en, values, "en"),
        p_value=None if p_value is None else float(p_value),
        null_model=null_model,
        evidence=cast(Evidence, plain(evidence)),
        explanations=tuple(
            Explanation(code, words.zh, words.en, verdicts.get(code, Verdict.UNKNOWN))
            for code, words in entry.explanations.items()
        ),
        parameters=parameters_of(rule),
        legal_bases=entry.legal_bases,
    )


def abstain(rule: Rule, subject: str, zh: str, en: str) -> Abstention:
    """The rule could not judge `subject`; say which data it lacks."""
    return Abstention(rule.entry.id, subject, zh, en)


def declared(
    window: Window, outlet_id: OutletId, start: datetime, end: datetime, conditions: Iterable[Condition]
) -> Verdict:
    """Does the plant's own record explain `[start, end)` by one of these conditions?

    SUPPORTED when a flag of any factor of the outlet or a mark says so anywhere in the interval, EXCLUDED
    when the outlet reported (at least half of some series' intervals) and none says so, else UNKNOWN.
    """
    wanted = set(conditions)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        touches = mark.outlet_id == outlet_id and mark.start < end and start < mark.end
        if touches and kind and kind.plane in wanted:
            return Verdict.SUPPORTED
    codes = np.array([CONDITION_CODES[c] for c in wanted], np.uint8)
    reported = False
    for (outlet, _, _), series in window.series.items():
        if outlet != outlet_id:
            continue
        seen = series.condition[span(series, start, end)]
        if np.isin(seen, codes).any():
            return Verdict.SUPPORTED
        present = int(np.count_nonzero(seen != CONDITION_CODES[Condition.MISSING]))
        reported = reported or (seen.size > 0 and 2 * present >= seen.size)
    return Verdict.EXCLUDED if reported else Verdict.UNKNOWN


def declared_mostly(
    window: Window, outlet_id: OutletId, hours: npt.NDArray[np.bool_], conditions: Iterable[Condition]
) -> Verdict:
    """The same for a set of hours on `hour_grid(window)`: SUPPORTED when half of them or more are explained.

    For hours whose own factor is flagged valid: what another factor or a mark says of these very hours.
    """
    wanted = set(conditions)
    codes = np.array([CONDITION_CODES[c] for c in wanted], np.uint8)
    grid = hour_grid(window)
    said = np.zeros(grid.size, np.bool_)
    for factor in {factor for (outlet, factor, _) in window.series if outlet == outlet_id}:
        series = hours_of(window, outlet_id, factor)
        if series is not None:
            said |= np.isin(series.condition, codes)
    for mark in window.registry.marks:
        kind = mark_kinds().get(mark.kind)
        if mark.outlet_id == outlet_id and kind and kind.plane in wanted:
            first = (to_microseconds(mark.start) - grid.start_us) // grid.step_us
            last = -((grid.start_us - to_microseconds(mark.end)) // grid.step_us)
            said[max(0, first) : max(0, last)] = True
    explained = np.count_nonzero(said & hours)
    return Verdict.SUPPORTED if 0 < 2 * explained >= np.count_nonzero(hours) else Verdict.EXCLUDED


def span(series: Series, start: datetime, end: datetime) -> slice:
    """The intervals of a series that touch `[start, end)`."""
    grid = series.grid
    first = (to_microseconds(start) - grid.start_us) // grid.step_us
    last = -((grid.start_us - to_microseconds(end)) // grid.step_us)
    return slice(max(0, min(first, grid.size)), max(0, min(last, grid.size)))
