"""How far the writer is, and what became of a range of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.connection import Connection

#: topic, topic id, partition
Place = tuple[str, str, int]


@dataclass(frozen=True)
class Fate:
    """Of the lines of some records: how many became conflicts and how many dead letters, by reason."""

    conflicts: int
    dead_letters: Mapping[str, int]


def stored_up_to(connection: Connection, places: Sequence[Place]) -> dict[Place, int]:
    """The next offset of each place a writer has begun to read."""
    rows = connection.execute(
        "SELECT topic, topic_id::text, partition, next_offset"
        " FROM ingest_offset JOIN stream USING (stream_key) WHERE topic = ANY(%s::text[])",
        (sorted({topic for topic, _, _ in places}),),
    ).fetchall()
    return {(topic, topic_id, partition): position for topic, topic_id, partition, position in rows}


def fate_of(connection: Connection, begins: Mapping[Place, int], ends: Mapping[Place, int]) -> Fate:
    """What became of the records from `begins` (included) to `ends` (not included) of each place."""
    conflicts, reasons = 0, dict[str, int]()
    for place, end in ends.items():
        bounds = (*place, begins[place], end)
        row = connection.execute(
            "SELECT count(*) FROM conflict JOIN stream USING (stream_key) WHERE topic = %s AND topic_id = %s"
            " AND partition = %s AND kafka_offset >= %s AND kafka_offset < %s",
            bounds,
        ).fetchone()
        assert row is not None
        conflicts += int(row[0])
        for reason, number in connection.execute(
            "SELECT reason, count(*)::int FROM dead_letter d JOIN stream USING (stream_key)"
            " WHERE stream.topic = %s AND topic_id = %s AND partition = %s AND kafka_offset >= %s"
            " AND kafka_offset < %s GROUP BY reason",
            bounds,
        ):
            reasons[reason] = reasons.get(reason, 0) + number
    return Fate(conflicts, reasons)
