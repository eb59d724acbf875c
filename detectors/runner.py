"""Runs rules over the sites of a source. A rule that crashes on a site is named; the others go on."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from detectors.rule import Outcome, Rule
from detectors.sources import WindowSource
from domain.findings import CaptureRate, Finding
from domain.registry import SiteId

#: Called after each site with (sites done, sites in all).
Progress = Callable[[int, int], None]

#: Windows in memory at once, besides the one being handed out.
AHEAD = 4


@dataclass(frozen=True)
class RuleFailure:
    """A rule (or `window`: the reading of the site's data) that crashed on a site; ours to mend."""

    rule: str
    site_id: SiteId
    error: str
    trace: str


@dataclass(frozen=True)
class SiteOutcome:
    """All rules on one site, in an order that does not depend on threads or arrival."""

    site_id: SiteId
    outcome: Outcome
    failures: tuple[RuleFailure, ...] = ()


def run_batch(
    source: WindowSource,
    rules: Sequence[Rule],
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[SiteOutcome]:
    """Judge every site of the source, in the order of `source.sites()`.

    With a thread pool some sites are worked on at once (kernels release the interpreter); at most a few
    windows are held in memory. The outcome is the same with and without.
    """
    sites = source.sites()
    for done, outcome in enumerate(_outcomes(source, rules, sites, executor), start=1):
        if progress is not None:
            progress(done, len(sites))
        yield outcome


def _outcomes(
    source: WindowSource, rules: Sequence[Rule], sites: Sequence[SiteId], executor: Executor | None
) -> Iterator[SiteOutcome]:
    if executor is None:
        for site_id in sites:
            yield judge_site(source, rules, site_id)
        return
    waiting: deque[Future[SiteOutcome]] = deque()
    for site_id in sites:
        if len(waiting) == AHEAD:
            yield waiting.popleft().result()
        waiting.append(executor.submit(judge_site, source, rules, site_id))
    while waiting:
        yield waiting.popleft().result()


def judge_site(source: WindowSource, rules: Sequence[Rule], site_id: SiteId) -> SiteOutcome:
    """All rules on one site's window."""
    failures: list[RuleFailure] = []
    outcomes: list[Outcome] = []
    try:
        window = source.window(site_id)
    except Exception as error:  # noqa: BLE001 - reported with its name; one bad site must not stop a province
        return SiteOutcome(site_id, Outcome(), (_failure("window", site_id, error),))
    for rule in rules:
        try:
            outcomes.append(rule.evaluate(window))
        except Exception as error:  # noqa: BLE001 - reported with its name; the other rules go on
            failures.append(_failure(rule.entry.id, site_id, error))
    merged = Outcome(
        findings=tuple(sorted((f for o in outcomes for f in o.findings), key=_finding_order)),
        abstentions=tuple(
            sorted((a for o in outcomes for a in o.abstentions), key=lambda a: (a.rule, a.subject, a.en))
        ),
        capture_rates=tuple(sorted((c for o in outcomes for c in o.capture_rates), key=_rate_order)),
    )
    return SiteOutcome(site_id, merged, tuple(failures))


def _failure(rule: str, site_id: SiteId, error: Exception) -> RuleFailure:
    text = f"{type(error).__name__}: {error}"
    return RuleFailure(rule, site_id, text, "".join(traceback.format_exception(error)))


def _finding_order(finding: Finding) -> tuple[object, ...]:
    return (
        finding.start,
        finding.end,
        finding.rule,
        finding.subject,
        finding.factor or "",
        finding.finding_id,
    )


def _rate_order(rate: CaptureRate) -> tuple[str, str, str]:
    return (rate.outlet_id, rate.factor, rate.quarter)
