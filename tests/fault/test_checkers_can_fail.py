"""A check that cannot fail proves nothing: one lost row in a copy of the database, and both checks say so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from simulators.journal import fingerprint
from tests.fault.checks import check_plant
from tests.fault.quiet import FRAMES, PLANT, deliver, stored
from tests.fault.stack import FaultStack, wait_until

pytestmark = [pytest.mark.apache, pytest.mark.stack, pytest.mark.slow]

DEVICE = 3
MN = PLANT.devices[DEVICE].mn
LOST = fingerprint(FRAMES[DEVICE][4])

#: What is done to the copy, what the ledger must say of it, what our own check must say.
DAMAGES = {
    "a frame is gone": (
        "DELETE FROM frame WHERE sha256 = decode(%(lost)s, 'hex')",
        f"frames of {MN} and frames counted as stored differ",
        f"frame {LOST} of {MN} came in 1 times, stored 0 times",
    ),
    "a frame is gone and counted as duplicate": (
        "WITH gone AS (DELETE FROM frame WHERE sha256 = decode(%(lost)s, 'hex') RETURNING device_key),"
        " less AS (UPDATE ingest_count SET items = items - 1"
        "  WHERE subject = %(mn)s AND stream = 'frame' AND outcome = 'stored')"
        " INSERT INTO ingest_count AS c VALUES (%(mn)s, 'frame', 'duplicate', 1)"
        " ON CONFLICT (subject, stream, outcome) DO UPDATE SET items = c.items + 1",
        f"of {MN}",
        f"frame {LOST} of {MN} came in 1 times, stored 0 times",
    ),
    "a frame stands twice": (
        "INSERT INTO frame SELECT device_key, key_time, cn, 99, received_at, payload_hash, sha256, crc_kind,"
        " edition, problems, readings, peer, stream_key, partition, kafka_offset, byte_offset, length"
        " FROM frame WHERE sha256 = decode(%(lost)s, 'hex')",
        "stands 2 times in table frame",
        f"frame {LOST} of {MN} came in 1 times, stored 2 times",
    ),
    "a reading is gone": (
        "DELETE FROM reading WHERE ctid = (SELECT r.ctid FROM reading r JOIN outlet USING (outlet_key)"
        " JOIN device USING (outlet_id) WHERE mn = %(mn)s LIMIT 1)",
        "readings and readings counted as stored differ",
        f"missing: Reading(outlet_id='{PLANT.devices[DEVICE].outlet_id}'",
    ),
    "a raw record is gone": (
        "DELETE FROM raw_record WHERE (stream_key, partition, kafka_offset) ="
        " (SELECT stream_key, partition, kafka_offset FROM frame WHERE sha256 = decode(%(lost)s, 'hex'))",
        f"of {MN}",
        f"frame {LOST} of {MN} was answered and never reached a raw record",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """A database that was copied after one device had delivered, and the device's journal."""

    url: str
    journal: Path


@pytest.fixture(scope="module")
def delivered(fault_stack: FaultStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    journal = tmp_path_factory.mktemp("checkers") / "journal.jsonl"
    deliver(fault_stack, FRAMES[DEVICE], journal)
    wait_until(lambda: stored(fault_stack, DEVICE) == len(FRAMES[DEVICE]), "everything is stored")
    # a database is copied only while nobody is in it
    for name in ("writer", "gateway", "receiver"):
        fault_stack.kill(name)
    yield Delivered(_copy(fault_stack, "delivered", of="mingcha"), journal)
    for name in ("writer", "gateway", "receiver"):
        fault_stack.revive(name)
        fault_stack.wait_ready(name)


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_lost_or_doubled_row_is_named_by_both_checks(
    fault_stack: FaultStack, delivered: Delivered, damage: str
) -> None:
    statement, ledger_words, check_words = DAMAGES[damage]
    copy = _copy(fault_stack, "damaged", of="delivered")
    journal = ("--journal", str(delivered.journal))
    assert fault_stack.command("ledger", "check", *journal, database_url=copy).returncode == 0
    assert check_plant(copy, PLANT, delivered.journal).faults == ()

    with psycopg.connect(copy) as connection:
        done = connection.execute(statement.encode(), {"lost": LOST, "mn": MN})
        assert done.rowcount == 1

    ledger = fault_stack.command("ledger", "check", *journal, database_url=copy)
    assert ledger.returncode == 1
    assert ledger_words in ledger.stdout
    assert any(check_words in fault for fault in check_plant(copy, PLANT, delivered.journal).faults)


def _copy(stack: FaultStack, name: str, *, of: str) -> str:
    """URL of a new copy of a database of the stack; an older one of that name is dropped."""
    server = psycopg.conninfo.make_conninfo(stack.postgres.url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        deadline = time.monotonic() + 30
        while True:
            try:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(of))
                )
                return psycopg.conninfo.make_conninfo(stack.postgres.url, dbname=name)
            except psycopg.errors.ObjectInUse:
                assert time.monotonic() < deadline, f"somebody stays in database {of}"
