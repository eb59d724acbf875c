"""Does everything that was sent stand in the database, once? (guarantees G2 and G3)

Two checks. Inside the database: what was consumed equals what was stored, counted as duplicate, kept as
conflict or as dead letter. Against the journals of senders: every item whose sender was told "taken" is in
one of those four, and no sender's items are more or fewer than it sent.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.records import Kind, RecordError, unpack
from storage.connection import Connection
from storage.intake.ledger import (
    FrameKey,
    Whereabouts,
    balances,
    counts_by_subject,
    locate,
    raw_bodies,
    taken_keys,
)


@dataclass(frozen=True)
class SentItem:
    """One frame or line of a journal, all its attempts together. `sha256` of its bytes as made, hex."""

    stream: str  # cems | power | passages
    subject: str
    sha256: str
    attempts: int
    acknowledged: bool
    cn: str = ""
    data_time: datetime | None = None
    part: int = 0


@dataclass(frozen=True)
class SubjectBalance:
    """One sender: attempts sent = stored + duplicate + conflict + dead_letter + not_arrived."""

    subject: str
    sent: int
    stored: int
    duplicate: int
    conflict: int
    dead_letter: int
    not_arrived: int  # attempts nobody acknowledged and the broker does not have


@dataclass(frozen=True)
class LedgerReport:
    """`problems` are sentences, the first thing that does not add up first; none means all is well."""

    problems: tuple[str, ...]
    items: int
    acknowledged: int
    found: Mapping[str, int] = field(default_factory=dict)  # acknowledged items by what they became
    subjects: tuple[SubjectBalance, ...] = ()

    @property
    def adds_up(self) -> bool:
        return not self.problems


def check_ledger(connection: Connection, sent: Iterable[SentItem] = ()) -> LedgerReport:
    """Check the database alone, and against what senders say when they are given.

    Opens a repeatable-read transaction, so that a writer at work does not disturb the sums.
    """
    items = list(sent)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        problems = [
            f"{sums.what} differ: {sums.left} and {sums.right}"
            for sums in balances(connection)
            if sums.left != sums.right
        ]
        found, missing = _find(connection, [item for item in items if item.acknowledged])
        subjects, wrong = _check_subjects(connection, items)
    return LedgerReport(
        problems=tuple(missing + wrong + problems),
        items=len(items),
        acknowledged=sum(item.acknowledged for item in items),
        found=found,
        subjects=subjects,
    )


def _find(connection: Connection, items: list[SentItem]) -> tuple[dict[str, int], list[str]]:
    """What the acknowledged items became, and a sentence for each that is nowhere or there twice."""
    if not items:
        return {}, []
    places = locate(connection, [bytes.fromhex(item.sha256) for item in items])
    consumed = _consumed_hashes(connection)
    keys = {item.sha256: key for item in items if (key := _key(item)) is not None}
    taken = taken_keys(connection, list(keys.values()))
    found: Counter[str] = Counter()
    problems = []
    for item in items:
        sha256 = bytes.fromhex(item.sha256)
        place = places.get(sha256, Whereabouts())
        if sha256 not in consumed:
            problems.append(f"{_name(item)} was acknowledged and is nowhere")
        elif place.stored > 1:
            problems.append(f"{_name(item)} stands {place.stored} times in table frame")
        elif place.stored:
            found["stored"] += 1
        elif place.conflicts:
            found["conflict"] += 1
        elif place.dead_letters:
            found["dead_letter"] += 1
        elif item.sha256 in keys and keys[item.sha256] not in taken:
            problems.append(f"{_name(item)} was acknowledged and came in, and no frame stands under its key")
        elif item.stream == "cems":
            found["duplicate"] += 1  # of other bytes with the same payload
        else:
            found["line"] += 1  # one of the four: the sums of the database say so
    return dict(found), problems


def _key(item: SentItem) -> FrameKey | None:
    """Under which a frame is filed; None for a line, and for a frame whose journal does not know its time."""
    if item.stream != "cems" or item.data_time is None or not item.cn.isdigit():
        return None
    return item.subject, int(item.cn), item.data_time, item.part


def _consumed_hashes(connection: Connection) -> set[bytes]:
    """SHA-256 of every item the writer ever took; of what a door refused, of the bytes it refused."""
    hashes = set()
    for body in raw_bodies(connection):
        try:
            record = unpack(body)
        except RecordError:
            continue  # a dead letter as a whole; nobody was told its items are taken
        for number in range(len(record)):
            item = record.body(number)
            if record.kind is Kind.DEAD_LETTER:
                item = item.partition(b"\n")[2]
            hashes.add(hashlib.sha256(item).digest())
    return hashes


def _check_subjects(
    connection: Connection, items: list[SentItem]
) -> tuple[tuple[SubjectBalance, ...], list[str]]:
    sent: dict[str, int] = defaultdict(int)
    acknowledged: dict[str, int] = defaultdict(int)
    for item in items:
        if not item.subject:
            continue  # a line that does not say whom it speaks of
        sent[item.subject] += item.attempts
        acknowledged[item.subject] += item.acknowledged
    counts = counts_by_subject(connection, list(sent))
    balances, problems = [], []
    for subject, attempts in sorted(sent.items()):
        own = counts.get(subject, {})
        arrived = sum(own.values())
        balances.append(
            SubjectBalance(
                subject, attempts, own.get("stored", 0), own.get("duplicate", 0), own.get("conflict", 0),
                own.get("dead_letter", 0), attempts - arrived,
            )
        )  # fmt: skip
        if arrived > attempts:
            problems.append(f"{subject} sent {attempts} items and {arrived} came in")
        elif arrived < acknowledged[subject]:
            problems.append(f"{subject} was told {acknowledged[subject]} items are taken, {arrived} came in")
    return tuple(balances), problems


def _name(item: SentItem) -> str:
    when = "" if item.data_time is None else f" of {item.data_time.isoformat()}"
    command = f" CN={item.cn}" if item.cn else ""
    return f"{item.stream} item {item.sha256[:16]} of {item.subject}{command}{when}"
