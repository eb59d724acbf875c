"""What the tables say about themselves and about single frames: the database side of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.connection import Connection

#: (MN, CN, DataTime as aware UTC, PNO or 0)
FrameKey = tuple[str, int, datetime, int]


@dataclass(frozen=True)
class Whereabouts:
    """How often the bytes of one item stand in each place."""

    stored: int = 0
    conflicts: int = 0
    dead_letters: int = 0


@dataclass(frozen=True)
class Balance:
    """Two numbers that must be equal, and what they are."""

    what: str
    left: int
    right: int


_BALANCES = """
WITH counted AS (
    SELECT stream, outcome, sum(items)::bigint AS items FROM ingest_count GROUP BY stream, outcome
)
SELECT 'items in raw records and items counted',
       (SELECT coalesce(sum(items), 0) FROM raw_record),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE stream <> 'frame_reading')
UNION ALL SELECT 'raw records and records the positions have passed',
       (SELECT count(*) FROM raw_record),
       (SELECT coalesce(sum(o.next_offset - r.first), 0)
        FROM (SELECT stream_key, partition, min(kafka_offset) AS first FROM raw_record GROUP BY 1, 2) r
        JOIN ingest_offset o USING (stream_key, partition))
UNION ALL SELECT 'frames and frames counted as stored',
       (SELECT count(*) FROM frame),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE stream = 'frame' AND outcome = 'stored')
UNION ALL SELECT 'readings the frames say they brought and readings of frames counted as stored',
       (SELECT coalesce(sum(readings), 0) FROM frame),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE stream = 'frame_reading' AND outcome = 'stored')
UNION ALL SELECT 'readings and readings counted as stored',
       (SELECT count(*) FROM reading),
       (SELECT coalesce(sum(items), 0) FROM counted
        WHERE stream IN ('frame_reading', 'reading') AND outcome = 'stored')
UNION ALL SELECT 'power values and power values counted as stored',
       (SELECT count(*) FROM power),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE stream = 'power' AND outcome = 'stored')
UNION ALL SELECT 'passages and passages counted as stored',
       (SELECT count(*) FROM passage),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE stream = 'passage' AND outcome = 'stored')
UNION ALL SELECT 'conflicts and conflicts counted',
       (SELECT count(*) FROM conflict),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE outcome = 'conflict')
UNION ALL SELECT 'dead letters and dead letters counted',
       (SELECT count(*) FROM dead_letter),
       (SELECT coalesce(sum(items), 0) FROM counted WHERE outcome = 'dead_letter')
"""

_FRAMES_BY_DEVICE = """
SELECT mn, coalesce(there, 0), coalesce(counted, 0)
FROM (SELECT device_key, count(*) AS there FROM frame GROUP BY device_key) f
JOIN device USING (device_key)
FULL JOIN (SELECT subject AS mn, items AS counted FROM ingest_count
           WHERE stream = 'frame' AND outcome = 'stored') c USING (mn)
WHERE there IS DISTINCT FROM counted ORDER BY mn LIMIT 20
"""


def balances(connection: Connection) -> list[Balance]:
    """The sums that must agree, over all tables; call it in a repeatable-read transaction."""
    found = [Balance(what, int(left), int(right)) for what, left, right in connection.execute(_BALANCES)]
    for mn, there, counted in connection.execute(_FRAMES_BY_DEVICE):
        found.append(Balance(f"frames of {mn} and frames counted as stored", int(there), int(counted)))
    return found


def locate(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, Whereabouts]:
    """Where the bytes with these SHA-256 stand; those that are nowhere are left out."""
    counts: dict[bytes, list[int]] = defaultdict(lambda: [0, 0, 0])
    queries = (
        "SELECT sha256, count(*) FROM frame WHERE sha256 = ANY(%s::bytea[]) GROUP BY sha256",
        "SELECT decode(offered->>'sha256', 'hex'), count(*) FROM conflict"
        " WHERE decode(offered->>'sha256', 'hex') = ANY(%s::bytea[]) GROUP BY 1",
        "SELECT sha256(body), count(*) FROM dead_letter WHERE sha256(body) = ANY(%s::bytea[]) GROUP BY 1",
    )
    for place, statement in enumerate(queries):
        for sha256, number in connection.execute(statement, (list(hashes),)):
            counts[bytes(sha256)][place] += int(number)
    return {sha256: Whereabouts(*numbers) for sha256, numbers in counts.items()}


def taken_keys(connection: Connection, keys: Sequence[FrameKey]) -> set[FrameKey]:
    """Those of these keys under which a frame stands."""
    rows = connection.execute(
        "SELECT mn, f.cn, f.key_time, f.part"
        " FROM unnest(%s::text[], %s::smallint[], %s::timestamptz[], %s::smallint[]) k (mn, cn, time, part)"
        " JOIN device USING (mn)"
        " JOIN frame f USING (device_key) WHERE (f.cn, f.key_time, f.part) = (k.cn, k.time, k.part)",
        [list(column) for column in zip(*keys, strict=True)] if keys else [[], [], [], []],
    ).fetchall()
    return {(mn, int(cn), key_time, int(part)) for mn, cn, key_time, part in rows}


def counts_by_subject(connection: Connection, subjects: Sequence[str]) -> dict[str, dict[str, int]]:
    """Items by subject and outcome. A replayed dead letter came in again and is counted there."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for subject, outcome, items in connection.execute(
        "SELECT subject, outcome, sum(items)::bigint FROM ingest_count"
        " WHERE subject = ANY(%s::text[]) AND stream <> 'frame_reading' GROUP BY subject, outcome",
        (list(subjects),),
    ):
        found[subject][outcome] += int(items)
    for subject, replayed in connection.execute(
        "SELECT subject, count(*) FROM dead_letter WHERE subject = ANY(%s::text[]) AND state = 'replayed'"
        " GROUP BY subject",
        (list(subjects),),
    ):
        found[subject]["dead_letter"] -= int(replayed)
    return found


def raw_bodies(connection: Connection) -> Iterator[bytes]:
    """Every raw record, some at a time; in a transaction."""
    with connection.cursor("raw_bodies") as cursor:
        cursor.itersize = 200
        cursor.execute("SELECT body FROM raw_record")
        for (body,) in cursor:
            yield bytes(body)
