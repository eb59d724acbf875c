"""What the detectors said: runs, findings, capture rates, the ranking.

Nothing here commits; the transaction is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal

from psycopg.rows import TupleRow

from domain.findings import CaptureRate, Explanation, Family, Finding, Grade, RankedOutlet, Verdict
from domain.registry import SiteId
from storage.connection import Connection
from storage.errors import UnknownSubject

_SAVE_FINDING = """
INSERT INTO finding (finding_id, run_id, rule, version, family, grade, site_id, outlet_id, subject, factor,
    starts_at, ends_at, statistic, statistic_name, p_value, null_model, sentence_zh, sentence_en, evidence,
    explanations, parameters, legal_bases)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (finding_id) DO UPDATE SET run_id = excluded.run_id, withdrawn_run = NULL,
    family = excluded.family, grade = excluded.grade, statistic = excluded.statistic,
    statistic_name = excluded.statistic_name, p_value = excluded.p_value, null_model = excluded.null_model,
    sentence_zh = excluded.sentence_zh, sentence_en = excluded.sentence_en, evidence = excluded.evidence,
    explanations = excluded.explanations, legal_bases = excluded.legal_bases
"""
_WITHDRAW = """
UPDATE finding f SET withdrawn_run = run.run_id
FROM detection_run run
WHERE run.run_id = %s AND f.run_id <> run.run_id AND f.withdrawn_run IS NULL
  AND f.rule = ANY(%s) AND f.site_id = ANY(%s) AND f.starts_at >= run.starts_at AND f.ends_at <= run.ends_at
"""
_LOAD_FINDINGS = """
SELECT rule, version, family, grade, site_id, outlet_id, subject, factor, starts_at, ends_at, statistic,
       statistic_name, sentence_zh, sentence_en, p_value, null_model, evidence, explanations, parameters,
       legal_bases
FROM finding
WHERE (%(site)s::text IS NULL OR site_id = %(site)s)
  AND (%(start)s::timestamptz IS NULL OR ends_at > %(start)s)
  AND (%(end)s::timestamptz IS NULL OR starts_at < %(end)s)
  AND CASE WHEN %(ids)s::text[] IS NULL THEN withdrawn_run IS NULL ELSE finding_id = ANY(%(ids)s) END
ORDER BY site_id, starts_at, finding_id
"""
_SAVE_CAPTURE_RATE = """
INSERT INTO capture_rate (outlet_id, factor, quarter, calendar_hours, elapsed_hours, stopped_hours,
    valid_hours, invalid_hours, unbelieved_hours, rate, rate_believed, best_possible, lost_by_cause, run_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (outlet_id, factor, quarter) DO UPDATE SET calendar_hours = excluded.calendar_hours,
    elapsed_hours = excluded.elapsed_hours, stopped_hours = excluded.stopped_hours,
    valid_hours = excluded.valid_hours, invalid_hours = excluded.invalid_hours,
    unbelieved_hours = excluded.unbelieved_hours, rate = excluded.rate,
    rate_believed = excluded.rate_believed,
    best_possible = excluded.best_possible, lost_by_cause = excluded.lost_by_cause, run_id = excluded.run_id
"""
_LOAD_CAPTURE_RATES = """
SELECT outlet_id, factor, quarter, calendar_hours, elapsed_hours, stopped_hours, valid_hours, invalid_hours,
       unbelieved_hours, rate, rate_believed, best_possible, lost_by_cause
FROM capture_rate WHERE quarter = %s ORDER BY outlet_id, factor
"""


def begin_run(connection: Connection, start: datetime, end: datetime, mode: Literal["batch", "live"]) -> int:
    """Note that detection over `[start, end)` begins, and return its run_id."""
    row = connection.execute(
        "INSERT INTO detection_run (starts_at, ends_at, mode) VALUES (%s, %s, %s) RETURNING run_id",
        (start, end, mode),
    ).fetchone()
    assert row is not None
    run_id: int = row[0]
    return run_id


def finish_run(connection: Connection, run_id: int, findings: int) -> None:
    """Note the end of a run and how many findings it had. Raises UnknownSubject."""
    done = connection.execute(
        "UPDATE detection_run SET finished_at = clock_timestamp(), findings = %s WHERE run_id = %s",
        (findings, run_id),
    )
    if done.rowcount == 0:
        raise UnknownSubject(f"no detection run {run_id}")


def save_findings(connection: Connection, run_id: int, findings: Sequence[Finding]) -> int:
    """Save what a run found and return how many were never seen before.

    A finding already there is the same finding: it now belongs to this run, what it says is brought up to
    date, and it is no longer withdrawn.
    """
    unique = {f.finding_id: f for f in findings}
    known = connection.execute(
        "SELECT count(*) FROM finding WHERE finding_id = ANY(%s)", (list(unique),)
    ).fetchone()
    assert known is not None
    with connection.cursor() as cursor:
        cursor.executemany(
            _SAVE_FINDING,
            [
                (
                    finding_id, run_id, f.rule, f.version, f.family, f.grade, f.site_id, f.outlet_id,
                    f.subject, f.factor, f.start, f.end, f.statistic, f.statistic_name, f.p_value,
                    f.null_model, f.sentence_zh, f.sentence_en, _json(f.evidence),
                    _json([asdict(explanation) for explanation in f.explanations]), _json(f.parameters),
                    list(f.legal_bases),
                )
                for finding_id, f in unique.items()
            ],
        )  # fmt: skip
    return len(unique) - int(known[0])


def withdraw_missing(
    connection: Connection, run_id: int, rules: Sequence[str], site_ids: Sequence[SiteId]
) -> int:
    """Mark what earlier runs found inside this run's period and this run no longer does; return how many.

    Call it after `save_findings` with the rules that judged and the sites they judged. Nothing is deleted: a
    case may stand on it. A finding that comes back loses the mark.
    """
    return connection.execute(_WITHDRAW, (run_id, list(rules), list(site_ids))).rowcount


def load_findings(
    connection: Connection,
    *,
    site_id: SiteId | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    finding_ids: Sequence[str] | None = None,
) -> list[Finding]:
    """Findings that touch `[start, end)`, by site and time.

    Withdrawn ones are left out, unless they are asked for by `finding_ids`.
    """
    rows = connection.execute(
        _LOAD_FINDINGS,
        {
            "site": site_id,
            "start": start,
            "end": end,
            "ids": None if finding_ids is None else list(finding_ids),
        },
    )
    return [_finding(row) for row in rows]


def save_capture_rates(connection: Connection, run_id: int, rates: Sequence[CaptureRate]) -> None:
    """Replace the rates of these outlets, factors and quarters."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _SAVE_CAPTURE_RATE,
            [
                (
                    r.outlet_id, r.factor, r.quarter, r.calendar_hours, r.elapsed_hours, r.stopped_hours,
                    r.valid_hours, r.invalid_hours, r.unbelieved_hours, r.rate, r.rate_believed,
                    r.best_possible, _json(dict(r.lost_by_cause)), run_id,
                )
                for r in rates
            ],
        )  # fmt: skip


def load_capture_rates(connection: Connection, quarter: str) -> list[CaptureRate]:
    """The rates of one quarter (`2026Q3`) by outlet and factor."""
    return [CaptureRate(*row) for row in connection.execute(_LOAD_CAPTURE_RATES, (quarter,))]


def save_ranking(connection: Connection, run_id: int, ranking: Sequence[RankedOutlet]) -> None:
    """Replace the whole ranking: it is the queue as the newest run sees it."""
    connection.execute("DELETE FROM ranking")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ranking (site_id, outlet_id, score, e_value, listed, families, run_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    r.site_id,
                    r.outlet_id or "",
                    r.score,
                    r.e_value,
                    r.listed,
                    [str(f) for f in r.families],
                    run_id,
                )
                for r in ranking
            ],
        )


def load_ranking(connection: Connection) -> list[RankedOutlet]:
    """The ranking of the newest run, highest score first."""
    rows = connection.execute(
        "SELECT site_id, nullif(outlet_id, ''), score, e_value, listed, families FROM ranking"
        " ORDER BY score DESC, site_id, outlet_id"
    )
    return [
        RankedOutlet(site, outlet, score, e_value, listed, tuple(Family(f) for f in families))
        for site, outlet, score, e_value, listed, families in rows
    ]


def _finding(row: TupleRow) -> Finding:
    (rule, version, family, grade, site, outlet, subject, factor, start, end, statistic, statistic_name, zh,
     en, p_value, null_model, evidence, explanations, parameters, legal_bases) = row  # fmt: skip
    return Finding(
        rule=rule, version=version, family=Family(family), grade=Grade(grade), site_id=site, outlet_id=outlet,
        subject=subject, factor=factor, start=start, end=end, statistic=statistic,
        statistic_name=statistic_name, sentence_zh=zh, sentence_en=en, p_value=p_value, null_model=null_model,
        evidence=evidence,
        explanations=tuple(
            Explanation(e["code"], e["zh"], e["en"], Verdict(e["verdict"])) for e in explanations
        ),
        parameters=parameters, legal_bases=tuple(legal_bases),
    )  # fmt: skip


def _json(value: Mapping[str, object] | Sequence[Mapping[str, object]]) -> str:
    # the spelling `Finding.finding_id` hashes: what is loaded has the same id
    return json.dumps(value, ensure_ascii=False, default=str)
