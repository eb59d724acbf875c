"""Seeded faults: what is done to which part, when, and how long it stays away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from tests.fault.stack import PARTS, FaultStack

_WATCH_SECONDS = 0.05


class FaultKind(StrEnum):
    KILL_WRITER = "kill -9 writer"
    KILL_GATEWAY = "kill -9 gateway"
    KILL_RECEIVER = "kill -9 receiver"
    KILL_BROKER = "kill -9 broker"
    CRASH_POSTGRES = "crash postgres"
    TWO_WRITERS = "freeze writer, start another"


#: Every seed has these; the rest is drawn.
ALWAYS = (FaultKind.KILL_WRITER, FaultKind.KILL_GATEWAY, FaultKind.KILL_BROKER)
DRAWN = (*ALWAYS, FaultKind.KILL_WRITER, FaultKind.KILL_RECEIVER, FaultKind.CRASH_POSTGRES,
         FaultKind.TWO_WRITERS)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """`away_seconds`: until a server is started again, or a frozen writer goes on."""

    at_seconds: float
    kind: FaultKind
    away_seconds: float


def schedule(random: Random, seconds: float) -> list[Fault]:
    """Six to nine faults within these seconds, at least one of each of ALWAYS, in order of time."""
    kinds = [*ALWAYS, *random.choices(DRAWN, k=random.randint(3, 6))]
    return sorted(
        (Fault(random.uniform(0.2, seconds), kind, random.uniform(0.2, 2.5)) for kind in kinds),
        key=lambda fault: fault.at_seconds,
    )


@dataclass
class Storm:
    """Plays faults on a stack and revives our parts meanwhile. Use as an async context around the senders."""

    stack: FaultStack
    faults: list[Fault]
    done: Counter[FaultKind] = field(default_factory=Counter)
    fenced: int = 0
    #: Seconds from kill to ready, while database and broker were there all the time.
    restarts: dict[str, list[float]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _killed_at: dict[str, float] = field(default_factory=dict)
    _server_lost_at: float = float("-inf")

    async def __aenter__(self) -> Storm:
        self._locks = {name: asyncio.Lock() for name in (*PARTS, "broker", "postgres")}
        self._watching = asyncio.create_task(self._watch())
        self._playing = [asyncio.create_task(self._play(fault)) for fault in self.faults]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._playing, self._watching):
            task.cancel()
        await asyncio.gather(*self._playing, self._watching, return_exceptions=True)

    async def over(self) -> None:
        """Return when every fault is done and everything runs again. Raises what a fault raised."""
        await asyncio.gather(*self._playing)
        while not all([await asyncio.to_thread(self.stack.is_ready, name) for name in PARTS]):
            await asyncio.sleep(_WATCH_SECONDS)
            if self._watching.done():
                self._watching.result()

    async def _watch(self) -> None:
        while True:
            for name in PARTS:
                if not self._locks[name].locked():
                    self.stack.revive(name)
                    await self._note_restart(name)
            await asyncio.sleep(_WATCH_SECONDS)

    async def _note_restart(self, name: str) -> None:
        killed_at = self._killed_at.get(name)
        if killed_at is None or not await asyncio.to_thread(self.stack.is_ready, name):
            return
        if self._killed_at.pop(name, None) == killed_at and self._server_lost_at < killed_at:
            self.restarts.setdefault(name, []).append(time.monotonic() - killed_at)

    async def _play(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_seconds)
        match fault.kind:
            case FaultKind.KILL_WRITER | FaultKind.KILL_GATEWAY | FaultKind.KILL_RECEIVER:
                name = fault.kind.split()[-1]
                async with self._locks[name]:
                    self.stack.kill(name)
                    self._killed_at[name] = time.monotonic()
            case FaultKind.KILL_BROKER:
                async with self._locks["broker"]:
                    self._server_lost_at = float("inf")
                    await asyncio.to_thread(self.stack.broker.kill)
                    await asyncio.sleep(fault.away_seconds)
                    await asyncio.to_thread(self.stack.broker.start)
                    self._server_lost_at = time.monotonic()
            case FaultKind.CRASH_POSTGRES:
                async with self._locks["postgres"]:
                    self._server_lost_at = float("inf")
                    await asyncio.to_thread(self.stack.postgres.stop, "immediate")
                    await asyncio.sleep(fault.away_seconds)
                    await asyncio.to_thread(self.stack.postgres.start)
                    self._server_lost_at = time.monotonic()
            case FaultKind.TWO_WRITERS:
                async with self._locks["writer"]:
                    await self._two_writers(fault.away_seconds)
        self.done[fault.kind] += 1

    async def _two_writers(self, frozen_seconds: float) -> None:
        """The frozen one comes back while another has taken its partitions: one of the two must go."""
        stack = self.stack
        if not stack.is_alive("writer"):
            stack.revive("writer")
        stack.signal("writer", signal.SIGSTOP)
        stack.start_part("second writer", "writer")
        deadline = time.monotonic() + frozen_seconds + 10
        while stack.is_alive("second writer") and time.monotonic() < deadline:
            if await asyncio.to_thread(stack.is_ready, "second writer"):
                break
            await asyncio.sleep(_WATCH_SECONDS)
        await asyncio.sleep(frozen_seconds)
        stack.signal("writer", signal.SIGCONT)
        deadline = time.monotonic() + 5
        while stack.is_alive("writer") and stack.is_alive("second writer") and time.monotonic() < deadline:
            await asyncio.sleep(_WATCH_SECONDS)
        for name in ("writer", "second writer"):
            if not stack.is_alive(name) and "another writer" in stack.last_words(name):
                self.fenced += 1
        stack.forget_part("second writer")
