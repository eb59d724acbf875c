"""The audit chain: append-only rows, each hashed over the one before (guarantee G7).

hash = SHA-256(prev_hash ‖ canonical JSON of the row), prev_hash of the first row is 32 zero bytes. The table
refuses UPDATE and DELETE; `verify` finds what went past that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from domain.errors import MingchaError
from storage.connection import Connection

GENESIS = bytes(32)

#: One appender at a time, whatever process it is in; the number only has to be ours.
CHAIN_LOCK = 0x6D63_6175

#: What a detail may hold. No floats: PostgreSQL may write a number differently from how it came in.
Detail = Mapping[str, str | int | bool | list[str] | None]


class AuditError(MingchaError):
    """An event that cannot be written to the chain; says which value."""


@dataclass(frozen=True)
class AuditEvent:
    """One row of the chain; `at` is aware UTC."""

    seq: int
    at: datetime
    actor: str
    role: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    prev_hash: bytes
    hash: bytes


def append(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    role: str,
    action: str,
    subject: str,
    detail: Detail,
) -> AuditEvent:
    """Write one event at the end of the chain, inside the caller's transaction.

    The lock is held until that transaction ends, so the order of the chain is the order of commits.
    """
    for key, value in detail.items():
        if isinstance(value, float):
            raise AuditError(f"audit detail {key!r} is a float; write it as text")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
        cursor.execute("SELECT seq, hash FROM audit_event ORDER BY seq DESC LIMIT 1")
        last = cursor.fetchone()
        seq, prev_hash = (1, GENESIS) if last is None else (last[0] + 1, bytes(last[1]))
        digest = chain_hash(prev_hash, seq, at, actor, role, action, subject, detail)
        cursor.execute(
            "INSERT INTO audit_event (seq, at, actor, role, action, subject, detail, prev_hash, hash)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [seq, at, actor, role, action, subject, Jsonb(dict(detail)), prev_hash, digest],
        )
    return AuditEvent(seq, at, actor, role, action, subject, detail, prev_hash, digest)


def chain_hash(
    prev_hash: bytes,
    seq: int,
    at: datetime,
    actor: str,
    role: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> bytes:
    """SHA-256 over the previous hash and the row as canonical JSON (sorted keys, UTC, no spaces)."""
    row = {
        "seq": seq,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": actor,
        "role": role,
        "action": action,
        "subject": subject,
        "detail": dict(detail),
    }
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(prev_hash + text.encode()).digest()


def verify(connection: Connection) -> int | None:
    """Walk the chain; the seq of the first row that does not fit (changed, missing, inserted), else None.

    A chain cannot show that its tail was cut off: compare `head` with an anchored copy for that.
    """
    expected_seq, prev_hash = 1, GENESIS
    for event in _walk(connection):
        fits = (
            event.seq == expected_seq
            and bytes(event.prev_hash) == prev_hash
            and bytes(event.hash)
            == chain_hash(
                prev_hash, event.seq, event.at, event.actor, event.role, event.action, event.subject,
                event.detail,
            )
        )  # fmt: skip
        if not fits:
            return expected_seq
        expected_seq, prev_hash = event.seq + 1, bytes(event.hash)
    return None


def head(connection: Connection) -> tuple[int, bytes]:
    """Seq and hash of the newest event, (0, GENESIS) when there is none."""
    row = connection.execute("SELECT seq, hash FROM audit_event ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if row is None else (row[0], bytes(row[1]))


def events_of(connection: Connection, subject: str) -> list[AuditEvent]:
    """The events about one subject (`clue:17`), oldest first."""
    with connection.cursor(row_factory=class_row(AuditEvent)) as cursor:
        cursor.execute("SELECT * FROM audit_event WHERE subject = %s ORDER BY seq", [subject])
        return cursor.fetchall()


def _walk(connection: Connection) -> Iterator[AuditEvent]:
    with (
        connection.transaction(),
        connection.cursor("audit_walk", row_factory=class_row(AuditEvent)) as cursor,
    ):
        cursor.itersize = 5_000
        cursor.execute("SELECT * FROM audit_event ORDER BY seq")
        yield from cursor
