"""What a run found, into the database: idempotent, and honest about what is no longer found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.ranking import rank
from detectors.rule import Rule
from detectors.runner import SiteOutcome
from detectors.sources.database import DatabaseSource
from domain.clock import Quarter
from domain.findings import RankedOutlet
from storage.connection import Connection
from storage.findings import (
    begin_run,
    finish_run,
    load_findings,
    save_capture_rates,
    save_findings,
    save_ranking,
    withdraw_missing,
)


@dataclass(frozen=True)
class Saved:
    """What one run changed: findings, those never seen before, those no longer found, the new queue."""

    run_id: int
    findings: int
    new: int
    withdrawn: int
    ranking: tuple[RankedOutlet, ...]


def save_run(
    connection: Connection,
    source: DatabaseSource,
    outcomes: Sequence[SiteOutcome],
    rules: Sequence[Rule],
    mode: Literal["batch", "live"],
) -> Saved:
    """Save the outcomes of a run over the source's period; the transaction is the caller's.

    Rules that failed on a site withdraw nothing there. Capture rates are saved of quarters the source saw
    from their start. The queue is ranked anew from all findings that touch the period.
    """
    run_id = begin_run(connection, source.start, source.end, mode)
    findings = [f for o in outcomes for f in o.outcome.findings]
    new = save_findings(connection, run_id, findings)
    withdrawn = 0
    for rule in rules:
        failed = {f.site_id for o in outcomes for f in o.failures if f.rule in (rule.entry.id, "window")}
        judged = [o.site_id for o in outcomes if o.site_id not in failed]
        withdrawn += withdraw_missing(connection, run_id, [rule.entry.id], judged)
    save_capture_rates(
        connection,
        run_id,
        [
            rate
            for o in outcomes
            for rate in o.outcome.capture_rates
            if Quarter.parse(rate.quarter).start >= source.start
        ],
    )
    standing = load_findings(connection, start=source.start, end=source.end)
    ranking = rank(source.registry, standing, [rule.entry for rule in rules])
    save_ranking(connection, run_id, ranking)
    finish_run(connection, run_id, len(findings))
    return Saved(run_id, len(findings), new, withdrawn, ranking)
