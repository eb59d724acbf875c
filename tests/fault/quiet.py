"""A plant that no storm touches: one device at a time delivers its frames, and all of them are answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import psycopg

from ingest.hj212 import read_head
from simulators.device import Device, Retry
from simulators.journal import Journal
from tests.fault.plant import make_plant
from tests.fault.stack import FaultStack

#: Seed 0: its devices are registered, and the seeds of the storms begin at 1.
PLANT = make_plant(0, frames=20)
FRAMES = [[m.frame for m in own if read_head(m.frame).wants_answer] for own in PLANT.messages]


def deliver(stack: FaultStack, frames: list[bytes], journal: Path) -> None:
    """Return when every frame of one device is answered."""

    async def send() -> None:
        retry = Retry(over_time_seconds=0.5, re_count=200)
        with Journal(journal) as lines:
            async with Device("127.0.0.1", stack.gateway_port, lines, Random(1), retry=retry) as device:
                tally = await device.send(frames)
                assert tally.answered == len(frames)

    asyncio.run(send())


def stored(stack: FaultStack, device: int) -> int:
    """Frames of a device of PLANT in the database."""
    with psycopg.connect(stack.postgres.url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM frame JOIN device USING (device_key) WHERE mn = %s",
            (PLANT.devices[device].mn,),
        ).fetchone()
    assert row is not None
    return int(row[0])
