"""The city's devices, alive: one TCP link per data logger, one HTTP sender for meters and one for gates."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mingcha.demo.memory import Memory
from simulators.device import Device, Disturbance
from simulators.frames import SentFrame
from simulators.http_sender import HttpSender
from simulators.journal import Journal
from simulators.live import Tick, live

log = logging.getLogger(__name__)

#: What happens to frames of ordinary devices on ordinary lines.
ORDINARY = Disturbance(duplicate=0.01, reorder=0.005, corrupt=0.005, split=0.05)
#: After a longer absence the devices begin with now: a day of back-fill is what loggers keep at least.
CATCH_UP = timedelta(days=1)
LINES_PER_POST = 500


@dataclass
class Loggers:
    """The data loggers, each with its own link and its own queue of frames to send."""

    host: str
    port: int
    journal: Journal
    chance: random.Random
    queues: dict[str, asyncio.Queue[bytes]] = field(default_factory=dict)

    def take(self, sent: SentFrame, tasks: asyncio.TaskGroup) -> None:
        """Queue a frame; a logger heard of for the first time gets its link."""
        queue = self.queues.get(sent.mn)
        if queue is None:
            queue = self.queues[sent.mn] = asyncio.Queue()
            tasks.create_task(self._run(queue))
        queue.put_nowait(sent.frame)

    async def _run(self, queue: asyncio.Queue[bytes]) -> None:
        seeded = random.Random(self.chance.getrandbits(64))
        async with Device(self.host, self.port, self.journal, seeded, disturbance=ORDINARY) as device:
            await device.send(_endless(queue))


async def run_live(
    memory: Memory, host: str, gateway_port: int, receiver_port: int, directory: Path, stopped: asyncio.Event
) -> None:
    """Send what falls due until `stopped`. Journals and the place to go on from are kept in `directory`."""
    chance = random.Random(memory.seed)
    place = directory / "live.json"
    begin = _resume(place, memory, datetime.now(UTC))
    with Journal(directory / "live-journal.jsonl") as journal:
        async with HttpSender(host, receiver_port, memory.token, journal, chance) as sender:
            loggers = Loggers(host, gateway_port, journal, chance)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_tick(memory, begin, loggers, sender, place, tasks))
                    tasks.create_task(_end(stopped))
            except* _Stopped:
                log.info("live_stopped")


class _Stopped(Exception):
    """Ends the task group, and with it every link."""


async def _end(stopped: asyncio.Event) -> None:
    await stopped.wait()
    raise _Stopped


async def _tick(
    memory: Memory,
    begin: datetime,
    loggers: Loggers,
    sender: HttpSender,
    place: Path,
    tasks: asyncio.TaskGroup,
) -> None:
    ticks = live(memory.city, begin)
    while True:
        tick: Tick = await asyncio.to_thread(next, ticks)
        await asyncio.sleep(max(0.0, (tick.due - datetime.now(UTC)).total_seconds()))
        for sent in tick.frames:
            loggers.take(sent, tasks)
        for first in range(0, len(tick.power_lines), LINES_PER_POST):
            await sender.send("power", tick.power_lines[first : first + LINES_PER_POST])
        for first in range(0, len(tick.passage_lines), LINES_PER_POST):
            await sender.send("passages", tick.passage_lines[first : first + LINES_PER_POST])
        place.write_text(json.dumps({"sent_until": tick.due.isoformat()}), encoding="utf-8")


def _resume(place: Path, memory: Memory, now: datetime) -> datetime:
    sent_until = memory.live_from
    if place.exists():
        sent_until = datetime.fromisoformat(json.loads(place.read_text(encoding="utf-8"))["sent_until"])
    return max(sent_until, (now - CATCH_UP).replace(second=0, microsecond=0))


async def _endless(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while True:
        yield await queue.get()
