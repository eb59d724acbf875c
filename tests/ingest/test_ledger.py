"""The ledger finds what is missing, doubled or unaccounted, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from ingest.ledger import LedgerReport, SentItem, check_ledger
from ingest.records import Kind
from ingest.topics import Topic
from mingcha.commands import ledger as ledger_command
from mingcha.stack.broker import MemoryBroker
from simulators.journal import Entry, Event, Journal, fingerprint
from storage.connection import connect
from tests.ingest.writing import MN, Sender, drain, memory_broker, minute_frame, register

pytestmark = pytest.mark.stack

DAMAGED = minute_frame(5).replace(b"Avg=1", b"Avg=2")
LINE = b'{"meter_id":"M1","time":"2026-03-01 08:00","kw":1}'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MemoryBroker]:
    with memory_broker(tmp_path) as started:
        yield started


@pytest.fixture
def stored(database: str, broker: MemoryBroker) -> str:
    """A database after ten frames, one of them twice, one conflict, one dead letter, one line."""
    register(database)
    with Sender(broker.bootstrap) as sender:
        sender.send([minute_frame(minute) for minute in range(10)])
        sender.send([minute_frame(3), minute_frame(4, value=1), DAMAGED])
        sender.send([LINE], kind=Kind.POWER_LINE, topic=Topic.POWER)
    drain(database, broker.bootstrap)
    return database


def sent(body: bytes, *, attempts: int = 1, acknowledged: bool = True, stream: str = "cems") -> SentItem:
    subject = MN if stream == "cems" else "M1"
    return SentItem(stream, subject, fingerprint(body), attempts, acknowledged)


def check(url: str, *items: SentItem) -> LedgerReport:
    with connect(url, application_name="test") as connection:
        return check_ledger(connection, items)


ALL = [
    *[sent(minute_frame(minute), attempts=2 if minute == 3 else 1) for minute in range(10)],
    sent(minute_frame(4, value=1)),
    sent(DAMAGED),
    sent(LINE, stream="power"),
]


def test_a_ledger_that_adds_up_says_what_became_of_everything(stored: str) -> None:
    report = check(stored, *ALL, sent(minute_frame(99), attempts=3, acknowledged=False))
    assert report.problems == ()
    assert report.found == {"stored": 10, "conflict": 1, "dead_letter": 1, "line": 1}
    device = next(s for s in report.subjects if s.subject == MN)
    assert (device.sent, device.stored, device.duplicate, device.conflict) == (16, 10, 1, 1)
    assert (device.dead_letter, device.not_arrived) == (1, 3)


def test_an_acknowledged_frame_that_is_nowhere_is_named(stored: str) -> None:
    report = check(stored, *ALL, sent(minute_frame(99)))
    assert f"of {MN} was acknowledged and is nowhere" in report.problems[0]
    assert not report.adds_up


def test_more_items_than_were_sent_are_found(stored: str) -> None:
    report = check(stored, *ALL[:5])
    assert report.problems == (f"{MN} sent 6 items and 13 came in",)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("DELETE FROM reading WHERE factor_key = 1 AND time = '2026-03-01 00:02+00'", "readings and"),
        ("DELETE FROM frame WHERE key_time = '2026-03-01 00:02+00'", "frames and frames"),
        ("DELETE FROM dead_letter", "dead letters and dead letters"),
        ("DELETE FROM conflict", "conflicts and conflicts"),
        ("DELETE FROM raw_record WHERE kafka_offset = 1", "items in raw records"),
        ("UPDATE ingest_offset SET next_offset = next_offset + 1 WHERE next_offset > 0", "raw records and"),
    ],
)  # fmt: skip
def test_a_row_lost_inside_the_database_is_noticed_without_a_journal(
    stored: str, damage: str, sentence: str
) -> None:
    assert check(stored).adds_up
    with psycopg.connect(stored) as connection:
        connection.execute(damage.encode())
    assert any(problem.startswith(sentence) for problem in check(stored).problems)


def test_the_command_reads_journals_and_exits_1_when_something_is_missing(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", stored)
    path = tmp_path / "device.jsonl"
    with Journal(path) as journal:
        for minute in range(10):
            body = minute_frame(minute)
            for event in (Event.SENT, Event.ANSWERED):
                journal.write(Entry(event, "cems", fingerprint(body), 1, MN, cn="2051"))
        for _ in range(3):
            journal.write(Entry(Event.SENT, "cems", "00" * 32, 1, MN, cn="2051"))
    run = CliRunner().invoke
    good = run(ledger_command.app, ["check", "--journal", str(path), "--json"])
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["acknowledged"] == 10
    with Journal(path) as journal:
        journal.write(Entry(Event.ANSWERED, "cems", "00" * 32, 1, MN, cn="2051"))
    bad = run(ledger_command.app, ["check", "--journal", str(path)])
    assert bad.exit_code == 1
    assert "was acknowledged and is nowhere" in bad.stdout
