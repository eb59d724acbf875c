"""Guarantees G2 and G3: whatever dies while devices send, every acknowledged item is stored exactly once.

Four seeds by default; `pytest tests/fault --fault-seeds 20` for more. A seed prints its figures (`-rP` shows
them).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from random import Random

import psycopg
import pytest

from simulators.device import Tally
from simulators.journal import Event, Journal, read_journal
from tests.fault.checks import check_plant
from tests.fault.faults import ALWAYS, Storm, schedule
from tests.fault.plant import TOKEN, Plant, make_plant, send_everything
from tests.fault.stack import Broker, FaultStack, wait_until

pytestmark = [pytest.mark.apache, pytest.mark.stack, pytest.mark.slow]

SEND_SECONDS = 10.0
SEED_SECONDS = 240.0


def test_every_acknowledged_frame_is_stored_exactly_once_through_kill_9(
    fault_stack: FaultStack, seed: int, tmp_path: Path
) -> None:
    plant = make_plant(seed)
    logs = fault_stack.log_ends()
    journal = tmp_path / "journal.jsonl"

    began = time.monotonic()
    storm, tallies = asyncio.run(_send_through_faults(fault_stack, plant, journal))
    sent_seconds = time.monotonic() - began
    drain_seconds = wait_until(lambda: _is_drained(fault_stack), "the writer has stored everything")

    ledger = fault_stack.command("ledger", "check", "--journal", str(journal), "--json")
    verdict = check_plant(fault_stack.postgres.url, plant, journal)
    seconds = {"send_seconds": round(sent_seconds, 1), "drain_seconds": round(drain_seconds, 1)}
    figures = {name: value for name, value in vars(verdict).items() if name != "faults"}
    print(json.dumps(_figures(seed, storm, fault_stack, tallies) | seconds | figures))
    assert ledger.returncode == 0, ledger.stdout + ledger.stderr
    assert not verdict.faults, "\n".join(verdict.faults[:20])
    assert fault_stack.tracebacks_since(logs) == []
    assert all(storm.done[kind] for kind in ALWAYS)
    assert verdict.frames == len(plant.all_messages())
    # not vacuous: most of what was sent was taken, although everything died at least once
    assert verdict.frames_answered > verdict.frames // 2
    assert verdict.lines_answered > verdict.lines // 2
    # a collector may lose patience, but no line of a registered meter is refused
    assert [e for e in read_journal(journal) if e.event is Event.REFUSED and e.stream != "cems"] == []


async def _send_through_faults(stack: FaultStack, plant: Plant, journal: Path) -> tuple[Storm, list[Tally]]:
    async with asyncio.timeout(SEED_SECONDS):
        async with Storm(stack, schedule(Random(plant.seed), SEND_SECONDS)) as storm:
            with Journal(journal) as lines:
                tallies = await send_everything(
                    plant, lines, gateway_port=stack.gateway_port, receiver_port=stack.receiver_port,
                    token=TOKEN, seconds=SEND_SECONDS,
                )  # fmt: skip
            await storm.over()
    return storm, tallies


def _is_drained(stack: FaultStack) -> bool:
    for name in ("writer", "gateway", "receiver"):
        stack.revive(name)
    with Broker(stack.broker.bootstrap) as broker:
        ends = broker.ends()
    with psycopg.connect(stack.postgres.url) as connection:
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM ingest_offset JOIN stream USING (stream_key)"
        ).fetchall()
    return {(topic, partition): position for topic, partition, position in rows} == ends


def _figures(seed: int, storm: Storm, stack: FaultStack, tallies: list[Tally]) -> dict[str, object]:
    return {
        "seed": seed,
        "faults": {kind.value: times for kind, times in storm.done.items()},
        "fenced": storm.fenced,
        "restart_seconds": {name: [round(s, 2) for s in took] for name, took in storm.restarts.items()},
        "ended_by_themselves": Counter(f"{death.name}: {death.words}" for death in stack.deaths),
        "attempts": sum(tally.attempts for tally in tallies),
        "gave_up": sum(tally.gave_up for tally in tallies),
        "unasked": sum(tally.unasked for tally in tallies),
    }
