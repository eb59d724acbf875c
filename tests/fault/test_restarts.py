"""Guarantee G6: every part comes back to work by itself, and one that hangs does not keep the others waiting.

Times are printed (`-rP` shows them), not asserted beyond a generous deadline: the machine may be busy.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.fault.quiet import FRAMES, deliver, stored
from tests.fault.stack import FaultStack, wait_until

pytestmark = [pytest.mark.apache, pytest.mark.stack, pytest.mark.slow]


def assert_ledger_adds_up(stack: FaultStack, journal: Path) -> None:
    checked = stack.command("ledger", "check", "--journal", str(journal))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_gateway_and_writer_are_back_at_work_after_kill_9(fault_stack: FaultStack, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    deliver(fault_stack, FRAMES[0][:5], journal)

    began = time.monotonic()
    fault_stack.kill("gateway")
    fault_stack.revive("gateway")
    deliver(fault_stack, FRAMES[0][5:10], journal)
    gateway_seconds = time.monotonic() - began

    began = time.monotonic()
    fault_stack.kill("writer")
    fault_stack.revive("writer")
    deliver(fault_stack, FRAMES[0][10:], journal)
    wait_until(lambda: stored(fault_stack, 0) == len(FRAMES[0]), "everything is stored")
    writer_seconds = time.monotonic() - began

    print(f"kill -9 to five frames answered {gateway_seconds:.1f} s, to rows stored {writer_seconds:.1f} s")
    assert max(gateway_seconds, writer_seconds) < 60
    assert_ledger_adds_up(fault_stack, journal)


def test_doors_started_before_their_broker_wait_for_it(fault_stack: FaultStack, tmp_path: Path) -> None:
    fault_stack.broker.kill()
    for name in ("gateway", "receiver"):
        fault_stack.kill(name)
        fault_stack.revive(name)
    pids = [fault_stack.part(name).pid for name in ("gateway", "receiver")]
    wait_until(
        lambda: all("server_waited_for" in fault_stack.last_words(name) for name in ("gateway", "receiver")),
        "both doors say what they wait for",
    )
    fault_stack.broker.start()

    deliver(fault_stack, FRAMES[1], tmp_path / "journal.jsonl")
    fault_stack.wait_ready("receiver")
    wait_until(lambda: stored(fault_stack, 1) == len(FRAMES[1]), "everything is stored")
    assert pids == [fault_stack.part(name).pid for name in ("gateway", "receiver")]
    assert_ledger_adds_up(fault_stack, tmp_path / "journal.jsonl")


def test_a_writer_frozen_in_a_transaction_is_let_go_and_its_successor_is_not_disturbed(
    fault_stack: FaultStack, tmp_path: Path
) -> None:
    stack, journal = fault_stack, tmp_path / "journal.jsonl"
    logs = stack.log_ends()
    with psycopg.connect(stack.postgres.url) as holder:
        holder.execute("LOCK TABLE ingest_count IN ACCESS EXCLUSIVE MODE")
        deliver(stack, FRAMES[2][:10], journal)
        wait_until(lambda: _waits_for_a_lock(stack), "the writer is in the middle of a transaction")
        stack.signal("writer", signal.SIGSTOP)
        holder.rollback()
    # the frozen one now holds the position of its partition in an open transaction
    try:
        stack.start_part("second writer", "writer")
        seconds = wait_until(lambda: stored(stack, 2) == 10, "the second writer has stored everything")
        print(f"a frozen writer kept its successor waiting for {seconds:.1f} s, start included")
        stack.signal("writer", signal.SIGCONT)
        deliver(stack, FRAMES[2][10:], journal)
        wait_until(lambda: stored(stack, 2) == len(FRAMES[2]), "one of the two goes on")
        wait_until(lambda: _one_is_fenced(stack), "one of the two was refused and has ended")
    finally:
        stack.forget_part("second writer")
        stack.revive("writer")
    stack.wait_ready("writer")
    assert_ledger_adds_up(stack, journal)
    assert stack.tracebacks_since(logs) == []


def _waits_for_a_lock(stack: FaultStack) -> bool:
    with psycopg.connect(stack.postgres.url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE application_name = 'mingcha writer' AND wait_event_type = 'Lock'"
        ).fetchone()
    return found is not None


def _one_is_fenced(stack: FaultStack) -> bool:
    names = ("writer", "second writer")
    return any(not stack.is_alive(n) and "another writer has moved" in stack.last_words(n) for n in names)
