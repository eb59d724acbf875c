"""Exactly once, asked of the tables in other ways than the ledger asks: every sentence here is a fault.

The raw records are searched for the very bytes that were sent; what is found there must stand in `frame`
once, with its readings as they were made, and the counts must say the same.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from ingest.topics import Topic
from simulators.journal import Event, answered, fingerprint, read_journal
from tests.fault.plant import Plant, Reading


@dataclass(frozen=True)
class Verdict:
    """`faults` empty: all is well. Counts are of frames, lines and rows of this plant alone."""

    faults: tuple[str, ...]
    frames: int
    frames_answered: int
    frames_stored: int
    frame_copies: int  # arrivals beyond the first
    dead_letters: int
    lines: int
    lines_answered: int
    lines_stored: int
    readings: int


def check_plant(url: str, plant: Plant, journal: Path) -> Verdict:
    """Hold the database against what this plant sent and was told."""
    taken = {s for s, e in answered(read_journal(journal)).items() if e.stream == "cems"}
    sent = {e.sha256 for e in read_journal(journal) if e.event is Event.SENT and e.stream == "cems"}
    with psycopg.connect(url) as connection:
        copies = _copies(connection, plant)
        faults = list(_frames(connection, plant, taken, copies))
        stored = {fingerprint(m.frame) for m in plant.all_messages() if copies[m.frame]}
        faults += _readings(connection, plant, stored)
        faults += _counts(connection, plant, copies)
        faults += _offsets(connection)
        taken_lines = {s for s, e in answered(read_journal(journal)).items() if e.stream != "cems"}
        lines_stored, line_faults = _lines(connection, plant, taken_lines)
        mns = [device.mn for device in plant.devices]
        return Verdict(
            faults=tuple(faults + line_faults),
            frames=len(sent),
            frames_answered=len(taken),
            frames_stored=len(stored),
            frame_copies=sum(copies.values()) - len(stored),
            dead_letters=_number(connection, "SELECT count(*) FROM dead_letter WHERE subject = ANY(%s)", mns),
            lines=len(plant.power) + len(plant.passages),
            lines_answered=len(taken_lines),
            lines_stored=lines_stored,
            readings=sum(len(m.readings) for m in plant.all_messages() if fingerprint(m.frame) in stored),
        )


def _copies(connection: psycopg.Connection[Any], plant: Plant) -> Counter[bytes]:
    """How often the bytes of each frame came in, by searching the raw records for them."""
    found: Counter[bytes] = Counter()
    with connection.cursor(name="raw") as cursor:
        cursor.execute(
            "SELECT body FROM raw_record JOIN stream USING (stream_key) WHERE topic = %s"
            " AND position(%s::bytea IN body) > 0",
            (Topic.CEMS.value, f"MN=FAULT{plant.seed:06}".encode()),
        )
        for (body,) in cursor:
            for message in plant.all_messages():
                found[message.frame] += body.count(message.frame)
    return found


def _frames(
    connection: psycopg.Connection[Any], plant: Plant, taken: set[str], copies: Mapping[bytes, int]
) -> Iterator[str]:
    mns = [device.mn for device in plant.devices]
    # the hash of the bytes the frame row points at, not the one it states
    rows = connection.execute(
        "SELECT encode(sha256(substring(r.body FROM f.byte_offset + 1 FOR f.length)), 'hex'),"
        " encode(f.sha256, 'hex'), d.mn"
        " FROM frame f JOIN device d USING (device_key)"
        " LEFT JOIN raw_record r USING (stream_key, partition, kafka_offset) WHERE d.mn = ANY(%s)",
        (mns,),
    ).fetchall()
    stated = Counter(stated for _, stated, _ in rows)
    for kept, stated_hash, mn in rows:
        if kept != stated_hash:
            yield f"a frame of {mn} points at bytes whose hash is {kept}, not {stated_hash}"
    made = {fingerprint(message.frame): message for message in plant.all_messages()}
    for stranger in stated.keys() - made.keys():
        yield f"frame {stranger} was never sent"
    for sha256, message in made.items():
        arrived = copies[message.frame]
        if sha256 in taken and not arrived:
            yield f"frame {sha256} of {message.mn} was answered and never reached a raw record"
        if stated[sha256] != min(arrived, 1):
            yield f"frame {sha256} of {message.mn} came in {arrived} times, stored {stated[sha256]} times"
    conflicts = _number(connection, "SELECT count(*) FROM conflict WHERE subject = ANY(%s)", mns)
    if conflicts:
        yield f"{conflicts} conflicts, and no device sent other content under the same key"


def _readings(connection: psycopg.Connection[Any], plant: Plant, stored: set[str]) -> Iterator[str]:
    outlets = [device.outlet_id for device in plant.devices]
    rows = connection.execute(
        "SELECT outlet_id, interval, factor, time, avg FROM reading_named WHERE outlet_id = ANY(%s)",
        (outlets,),
    ).fetchall()
    there = Counter(Reading(*row) for row in rows)
    wanted = Counter(r for m in plant.all_messages() if fingerprint(m.frame) in stored for r in m.readings)
    for reading in wanted - there:
        yield f"missing: {reading}"
    for reading in there - wanted:
        yield f"too many: {reading}"


def _counts(connection: psycopg.Connection[Any], plant: Plant, copies: Mapping[bytes, int]) -> Iterator[str]:
    counted: dict[str, dict[str, int]] = defaultdict(dict)
    for mn, outcome, items in connection.execute(
        "SELECT subject, outcome, items FROM ingest_count WHERE stream = 'frame' AND subject = ANY(%s)",
        ([device.mn for device in plant.devices],),
    ):
        counted[mn][outcome] = items
    for own in plant.messages:
        mn = own[0].mn
        stored = sum(copies[m.frame] > 0 for m in own)
        wanted = {"stored": stored, "duplicate": sum(copies[m.frame] for m in own) - stored}
        if counted[mn] != {outcome: items for outcome, items in wanted.items() if items}:
            yield f"{mn} is counted as {counted[mn]}, its bytes say {wanted}"
    total = _number(connection, "SELECT coalesce(sum(items), 0) FROM raw_record")
    split = _number(
        connection, "SELECT coalesce(sum(items), 0) FROM ingest_count WHERE stream <> 'frame_reading'"
    )
    if total != split:
        yield f"{total} items were consumed, {split} are counted"


def _offsets(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Every record from the first to the position is there, once."""
    rows = connection.execute(
        "SELECT topic, o.partition, o.next_offset, count(r.kafka_offset), count(DISTINCT r.kafka_offset)"
        " FROM ingest_offset o JOIN stream s USING (stream_key)"
        " LEFT JOIN raw_record r USING (stream_key, partition) GROUP BY 1, 2, 3"
    )
    for topic, partition, next_offset, records, offsets in rows:
        if not next_offset == records == offsets:
            yield f"{topic}/{partition} stands at {next_offset} with {records} records, {offsets} offsets"


def _lines(connection: psycopg.Connection[Any], plant: Plant, taken: set[str]) -> tuple[int, list[str]]:
    def table(statement: str) -> set[tuple[str, datetime, object]]:
        rows = connection.execute(statement.encode(), (f"fault-{plant.seed}-%",)).fetchall()
        if len(rows) != len(set(rows)):
            faults.append(f"rows of {statement} stand twice")
        return set(rows)

    faults: list[str] = []
    stored = table("SELECT meter_id, time, kw FROM power JOIN meter USING (meter_key) WHERE meter_id LIKE %s")
    stored |= table(
        "SELECT gate_id, time, plate FROM passage JOIN gate USING (gate_key) WHERE gate_id LIKE %s"
    )
    made = {fingerprint(line): _line_row(line) for line in (*plant.power, *plant.passages)}
    faults += [
        f"{row} was taken and is not there" for s, row in made.items() if s in taken and row not in stored
    ]
    faults += [f"{row} was never sent" for row in stored - set(made.values())]
    return len(stored), faults


def _line_row(line: bytes) -> tuple[str, datetime, object]:
    """(meter or gate, time, kW or plate) of a line."""
    columns = json.loads(line)
    time = datetime.fromisoformat(columns["time"])
    if "kw" in columns:
        return columns["meter_id"], time, columns["kw"]
    return columns["gate_id"], time, columns["plate"]


def _number(connection: psycopg.Connection[Any], statement: str, *parameters: object) -> int:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])
