"""SQL behind clues: findings without a clue, clues with their findings, the queue, the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from storage.connection import Connection

#: Opening clues is one process at a time; the number only has to be ours.
OPENING_LOCK = 0x6D63_636C


@dataclass(frozen=True)
class FindingRow:
    """A finding as stored; times aware UTC. `withdrawn`: a later run over its interval no longer found it."""

    finding_id: str
    rule: str
    version: int
    family: str
    grade: str
    site_id: str
    outlet_id: str | None
    subject: str
    factor: str | None
    starts_at: datetime
    ends_at: datetime
    statistic: float
    statistic_name: str
    p_value: float | None
    null_model: str | None
    sentence_zh: str
    sentence_en: str
    evidence: dict[str, Any]
    explanations: list[dict[str, Any]]
    parameters: dict[str, Any]
    legal_bases: list[str]
    found_at: datetime
    withdrawn: bool


@dataclass(frozen=True)
class LinkRow:
    """What merging needs of a finding, with the clue it belongs to (None: no clue yet)."""

    clue_id: int | None
    finding_id: str
    site_id: str
    rule: str
    subject: str
    family: str
    grade: str
    starts_at: datetime
    ends_at: datetime
    withdrawn: bool


@dataclass(frozen=True)
class ClueRow:
    clue_id: int
    site_id: str
    site_name: str
    state: str
    version: int
    starts_at: datetime
    ends_at: datetime
    priority: float
    made_at: datetime


@dataclass(frozen=True)
class QueueRow:
    """One line of the queue: a clue with its leading finding (most weight, then smallest p, then longest)."""

    clue_id: int
    version: int
    state: str
    starts_at: datetime
    ends_at: datetime
    priority: float
    made_at: datetime
    site_id: str
    site_name: str
    region_code: str
    industry: str
    outlet_id: str | None
    outlet_name: str | None
    rule: str
    grade: str
    families: list[str]
    findings: int
    factor: str | None
    finding_starts_at: datetime
    finding_ends_at: datetime
    sentence_zh: str
    sentence_en: str
    p_value: float | None
    score: float | None
    e_value: float | None


@dataclass(frozen=True)
class DecisionRow:
    """One act on a clue, for the history."""

    seq: int
    at: datetime
    actor: str
    name: str
    role: str
    action: str
    detail: dict[str, Any]
    clue_id: int
    state: str
    site_id: str
    site_name: str
    sentence_zh: str
    sentence_en: str
    grade: str


def lock_opening(connection: Connection) -> None:
    """Wait for our turn to open clues; held until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [OPENING_LOCK])


def loose_findings(connection: Connection) -> list[LinkRow]:
    """Findings that belong to no clue and still stand."""
    return _links(
        connection,
        "SELECT NULL::bigint AS clue_id, f.finding_id, f.site_id, f.rule, f.subject,"
        " f.family, f.grade, f.starts_at, f.ends_at, false AS withdrawn FROM finding f"
        " WHERE f.withdrawn_run IS NULL"
        " AND NOT EXISTS (SELECT FROM clue_finding cf WHERE cf.finding_id = f.finding_id)",
        [],
    )


def linked_findings(connection: Connection, site_ids: Sequence[str]) -> list[LinkRow]:
    """The findings of every clue of these sites."""
    return _links(
        connection,
        "SELECT c.clue_id, f.finding_id, f.site_id, f.rule, f.subject, f.family, f.grade, f.starts_at,"
        " f.ends_at, f.withdrawn_run IS NOT NULL AS withdrawn FROM clue c JOIN clue_finding USING (clue_id)"
        " JOIN finding f USING (finding_id) WHERE c.site_id = ANY(%s)",
        [list(site_ids)],
    )


def scores(connection: Connection, site_ids: Sequence[str]) -> Mapping[str, float]:
    """The best score of each site in the newest ranking, 0 to 1."""
    rows = connection.execute(
        "SELECT site_id, max(score) FROM ranking WHERE site_id = ANY(%s) GROUP BY site_id", [list(site_ids)]
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def insert_clue(
    connection: Connection, site_id: str, state: str, starts_at: datetime, ends_at: datetime,
    priority: float, now: datetime,
) -> int:  # fmt: skip
    row = connection.execute(
        "INSERT INTO clue (site_id, state, starts_at, ends_at, priority, made_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING clue_id",
        [site_id, state, starts_at, ends_at, priority, now],
    ).fetchone()
    assert row is not None
    return int(row[0])


def grow_clue(
    connection: Connection, clue_id: int, starts_at: datetime, ends_at: datetime, priority: float
) -> None:
    """Move the interval; the version rises, so that nobody decides on what they have not seen."""
    connection.execute(
        "UPDATE clue SET starts_at = %s, ends_at = %s, priority = %s, version = version + 1"
        " WHERE clue_id = %s",
        [starts_at, ends_at, priority, clue_id],
    )


def set_priority(connection: Connection, clue_id: int, priority: float) -> None:
    """The order in the queue follows the newest ranking; that is no change of the clue."""
    connection.execute(
        "UPDATE clue SET priority = %s WHERE clue_id = %s AND priority <> %s", [priority, clue_id, priority]
    )


def link(connection: Connection, clue_id: int, weights: Mapping[str, float]) -> None:
    """Give a clue findings, each with its weight; those it has already stay as they are."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO clue_finding (clue_id, finding_id, weight) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(clue_id, finding_id, weight) for finding_id, weight in weights.items()],
        )


def clue(
    connection: Connection, clue_id: int, region_patterns: Sequence[str], *, lock: bool = False
) -> ClueRow | None:
    """One clue, when its site lies in the regions."""
    query = (
        "SELECT c.clue_id, c.site_id, s.name AS site_name, c.state, c.version, c.starts_at, c.ends_at,"
        " c.priority, c.made_at FROM clue c JOIN site s USING (site_id)"
        " WHERE c.clue_id = %s AND s.region_code LIKE ANY(%s)"
    )
    with connection.cursor(row_factory=class_row(ClueRow)) as cursor:
        cursor.execute(query + " FOR UPDATE OF c" if lock else query, [clue_id, list(region_patterns)])
        return cursor.fetchone()


def clues_of(connection: Connection, site_ids: Sequence[str]) -> list[ClueRow]:
    """Every clue of these sites."""
    with connection.cursor(row_factory=class_row(ClueRow)) as cursor:
        cursor.execute(
            "SELECT c.clue_id, c.site_id, s.name AS site_name, c.state, c.version, c.starts_at, c.ends_at,"
            " c.priority, c.made_at FROM clue c JOIN site s USING (site_id)"
            " WHERE c.site_id = ANY(%s) ORDER BY c.clue_id",
            [list(site_ids)],
        )
        return cursor.fetchall()


def sites_to_settle(connection: Connection) -> list[str]:
    """Sites with findings that belong to no clue, or with clues that new runs may change."""
    rows = connection.execute(
        "SELECT site_id FROM clue WHERE state IN ('new', 'weak', 'watching', 'withdrawn')"
        " UNION SELECT f.site_id FROM finding f WHERE f.withdrawn_run IS NULL"
        " AND NOT EXISTS (SELECT FROM clue_finding cf WHERE cf.finding_id = f.finding_id) ORDER BY site_id"
    ).fetchall()
    return [row[0] for row in rows]


def set_state(connection: Connection, clue_id: int, state: str) -> None:
    connection.execute(
        "UPDATE clue SET state = %s, version = version + 1 WHERE clue_id = %s", [state, clue_id]
    )


def findings_of(connection: Connection, clue_id: int) -> list[FindingRow]:
    """The findings of a clue, the leading one first."""
    with connection.cursor(row_factory=class_row(FindingRow)) as cursor:
        cursor.execute(
            "SELECT f.finding_id, f.rule, f.version, f.family, f.grade, f.site_id, f.outlet_id, f.subject,"
            " f.factor, f.starts_at, f.ends_at, f.statistic, f.statistic_name, f.p_value, f.null_model,"
            " f.sentence_zh, f.sentence_en, f.evidence, f.explanations, f.parameters, f.legal_bases,"
            " f.found_at, f.withdrawn_run IS NOT NULL AS withdrawn"
            " FROM clue_finding JOIN finding f USING (finding_id) WHERE clue_id = %s"
            " ORDER BY withdrawn, weight DESC, f.p_value NULLS FIRST, f.ends_at - f.starts_at DESC,"
            " f.finding_id",
            [clue_id],
        )
        return cursor.fetchall()


_QUEUE = """
SELECT c.clue_id, c.version, c.state, c.starts_at, c.ends_at, c.priority, c.made_at,
       s.site_id, s.name AS site_name, s.region_code, s.industry,
       lead.outlet_id, o.name AS outlet_name, lead.rule, lead.grade, whole.families, whole.findings,
       lead.factor, lead.starts_at AS finding_starts_at, lead.ends_at AS finding_ends_at,
       lead.sentence_zh, lead.sentence_en, lead.p_value, r.score, r.e_value
FROM clue c
JOIN site s USING (site_id)
JOIN LATERAL (
    SELECT f.* FROM clue_finding cf JOIN finding f USING (finding_id) WHERE cf.clue_id = c.clue_id
    ORDER BY f.withdrawn_run IS NOT NULL, cf.weight DESC, f.p_value NULLS FIRST,
        f.ends_at - f.starts_at DESC, f.finding_id
    LIMIT 1
) lead ON true
JOIN LATERAL (
    SELECT array_agg(DISTINCT f.family) AS families, count(*)::integer AS findings
    FROM clue_finding cf JOIN finding f USING (finding_id)
    WHERE cf.clue_id = c.clue_id AND (f.withdrawn_run IS NULL OR c.state = 'withdrawn')
) whole ON true
LEFT JOIN outlet o ON o.outlet_id = lead.outlet_id
LEFT JOIN ranking r ON r.site_id = c.site_id AND r.outlet_id = coalesce(lead.outlet_id, '')
WHERE s.region_code LIKE ANY(%(scope)s)
  AND (%(states)s::text[] IS NULL OR c.state = ANY(%(states)s))
  AND (%(grades)s::text[] IS NULL OR lead.grade = ANY(%(grades)s))
  AND (%(families)s::text[] IS NULL OR whole.families && %(families)s)
  AND (%(regions)s::text[] IS NULL OR s.region_code = ANY(%(regions)s))
  AND (%(search)s::text IS NULL OR strpos(lower(concat_ws(' ', s.site_id, s.name, o.outlet_id, o.name,
        (SELECT string_agg(d.mn, ' ') FROM device d JOIN outlet x USING (outlet_id)
         WHERE x.site_id = s.site_id))), lower(%(search)s)) > 0)
ORDER BY c.priority DESC, c.clue_id
LIMIT %(limit)s
"""


def queue(
    connection: Connection,
    *,
    scope: Sequence[str],
    states: Sequence[str] | None = None,
    grades: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    search: str | None = None,
    limit: int = 500,
) -> list[QueueRow]:
    """Clues in scope, most pressing first; None means every value."""
    with connection.cursor(row_factory=class_row(QueueRow)) as cursor:
        cursor.execute(
            _QUEUE,
            {
                "scope": list(scope),
                "states": list(states) if states else None,
                "grades": list(grades) if grades else None,
                "families": list(families) if families else None,
                "regions": list(regions) if regions else None,
                "search": search.strip() if search and search.strip() else None,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def decisions(connection: Connection, scope: Sequence[str], limit: int) -> list[DecisionRow]:
    """What people did to clues, newest first."""
    with connection.cursor(row_factory=class_row(DecisionRow)) as cursor:
        cursor.execute(
            "SELECT a.seq, a.at, a.actor, coalesce(p.name, a.actor) AS name, a.role, a.action, a.detail,"
            " c.clue_id, c.state, s.site_id, s.name AS site_name, lead.sentence_zh, lead.sentence_en,"
            " lead.grade"
            " FROM audit_event a JOIN clue c ON a.subject = 'clue:' || c.clue_id"
            " JOIN site s USING (site_id) LEFT JOIN person p ON p.login = a.actor"
            " JOIN LATERAL (SELECT f.* FROM clue_finding cf JOIN finding f USING (finding_id)"
            "   WHERE cf.clue_id = c.clue_id"
            "   ORDER BY f.withdrawn_run IS NOT NULL, cf.weight DESC, f.p_value NULLS FIRST,"
            "     f.ends_at - f.starts_at DESC, f.finding_id LIMIT 1"
            " ) lead ON true"
            " WHERE a.actor <> 'system' AND s.region_code LIKE ANY(%s) ORDER BY a.seq DESC LIMIT %s",
            [list(scope), limit],
        )
        return cursor.fetchall()


def _links(connection: Connection, query: str, parameters: list[Any]) -> list[LinkRow]:
    with connection.cursor(row_factory=class_row(LinkRow)) as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()
