"""An HJ 212 device on a real socket: sends frames, waits for answers, sends the identical frame again.

Many devices live in one event loop. What goes wrong on the way is a seeded `Disturbance`; every attempt and
every answer goes to the journal. Time-out and resends: OverTime and ReCount, HJ 212-2017 table 1.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType

from domain.clock import to_microseconds
from ingest.hj212.framing import Packet, Splitter
from ingest.hj212.head import Head, read_head
from simulators.journal import Entry, Event, Journal, fingerprint, now_us

#: Answers that take responsibility; 9011 says no.
TAKEN = frozenset({"9013", "9014"})
_RECONNECT_SECONDS = (0.05, 2.0)


@dataclass(frozen=True)
class Disturbance:
    """Shares of frames, 0 to 1, to which something happens."""

    duplicate: float = 0.0  # sent twice in a row
    reorder: float = 0.0  # changes places with the next frame
    corrupt: float = 0.0  # the first attempt arrives with one digit of its CRC changed
    split: float = 0.0  # arrives in pieces cut at any byte
    noise: float = 0.0  # preceded by bytes that are no frame
    hang_up: float = 0.0  # the link is dropped right after the frame


@dataclass(frozen=True)
class Retry:
    over_time_seconds: float = 10.0
    re_count: int = 3  # attempts after the first


@dataclass
class Tally:
    """What became of the frames of one device."""

    frames: int = 0
    attempts: int = 0
    answered: int = 0
    gave_up: int = 0
    unasked: int = 0  # frames that want no answer


class Device:
    """One link to a gateway, used as an async context. `window` frames may wait for their answers at once."""

    def __init__(
        self,
        host: str,
        port: int,
        journal: Journal,
        random: Random,
        *,
        disturbance: Disturbance | None = None,
        retry: Retry | None = None,
        window: int = 1,
    ) -> None:
        self._host, self._port = host, port
        self._journal = journal
        self._random = random
        self._disturbance = disturbance or Disturbance()
        self._retry = retry or Retry()
        self._window = window
        self._link: _Link | None = None
        self._linking = asyncio.Lock()
        self.tally = Tally()

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._hang_up(self._link)

    async def send(self, frames: Iterable[bytes] | AsyncIterable[bytes]) -> Tally:
        """Send every frame in turn and return when each is answered or given up."""
        free = asyncio.Semaphore(self._window)
        async with asyncio.TaskGroup() as under_way:
            async for frame in self._in_order_of_the_line(frames):
                await free.acquire()
                task = under_way.create_task(self._deliver(frame))
                task.add_done_callback(lambda _: free.release())
                await asyncio.sleep(0)  # let it write before the next frame does
        return self.tally

    async def _in_order_of_the_line(
        self, frames: Iterable[bytes] | AsyncIterable[bytes]
    ) -> AsyncIterator[bytes]:
        held: bytes | None = None
        async for frame in _each(frames):
            if held is not None:
                yield frame
                yield held
                held = None
            elif self._happens(self._disturbance.reorder):
                held = frame
            else:
                yield frame
        if held is not None:
            yield held

    async def _deliver(self, frame: bytes) -> None:
        self.tally.frames += 1
        head = read_head(frame)
        entry = _entry(frame, head)
        corrupt = self._happens(self._disturbance.corrupt)
        for attempt in range(1, self._retry.re_count + 2):
            damaged = corrupt and attempt == 1
            copies = 2 if self._happens(self._disturbance.duplicate) else 1
            self.tally.attempts += 1
            for _ in range(copies):  # the ledger counts what went out against what came in
                self._write(replace(entry, event=Event.SENT, attempt=attempt, damaged=damaged))
            wire = _with_wrong_crc(frame) if damaged else frame
            answer = await self._attempt(wire * copies, head)
            if answer is None and not head.wants_answer:
                self.tally.unasked += 1
                return
            if answer in TAKEN:
                self.tally.answered += 1
                self._write(replace(entry, event=Event.ANSWERED, attempt=attempt, answer=answer))
                return
            if answer is not None:
                self._write(replace(entry, event=Event.REFUSED, attempt=attempt, answer=answer))
        self.tally.gave_up += 1
        self._write(replace(entry, event=Event.GAVE_UP, attempt=self._retry.re_count + 1))

    async def _attempt(self, wire: bytes, head: Head) -> str | None:
        """CN of the answer, None when there is none in time."""
        link: _Link | None = None
        try:
            async with asyncio.timeout(self._retry.over_time_seconds):
                link = await self._linked()
                waiting = link.expect(head.qn)
                await link.write(self._pieces(wire))
                if self._happens(self._disturbance.hang_up):
                    await self._hang_up(link)
                if not head.wants_answer:
                    return None
                return await waiting
        except TimeoutError:
            return None
        except ConnectionError:
            await self._hang_up(link)  # not the one another frame has opened meanwhile
            return None

    def _pieces(self, whole: bytes) -> list[bytes]:
        if self._happens(self._disturbance.noise):
            whole = self._random.randbytes(self._random.randint(1, 40)).replace(b"#", b"") + b"\r\n" + whole
        if not self._happens(self._disturbance.split):
            return [whole]
        cuts = sorted(self._random.sample(range(1, len(whole)), self._random.randint(1, 4)))
        return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    async def _linked(self) -> _Link:
        async with self._linking:
            pause, longest = _RECONNECT_SECONDS
            if self._link is not None and self._link.broken:
                await self._hang_up(self._link)
            while self._link is None:
                try:
                    self._link = await _Link.open(self._host, self._port)
                except OSError:
                    await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
                    pause = min(2 * pause, longest)
            return self._link

    async def _hang_up(self, link: _Link | None) -> None:
        if self._link is link:
            self._link = None
        if link is not None:
            await link.close()

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _write(self, entry: Entry) -> None:
        self._journal.write(replace(entry, time_us=now_us()))


class _Link:
    """One TCP connection with a task that hands answers to whoever waits for their QN."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._writing = asyncio.Lock()
        self.broken = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, host: str, port: int) -> _Link:
        return cls(*await asyncio.open_connection(host, port))

    def expect(self, qn: str) -> asyncio.Future[str]:
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._waiting[qn] = waiting
        return waiting

    async def write(self, pieces: list[bytes]) -> None:
        """Raises ConnectionError when the link is gone."""
        async with self._writing:
            for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0.001)  # else the kernel glues the pieces together again

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        splitter = Splitter()
        try:
            while chunk := await self._reader.read(65536):
                for piece in splitter.feed(chunk):
                    if isinstance(piece, Packet):
                        head = read_head(piece.raw)
                        waiting = self._waiting.pop(head.qn, None)
                        if waiting is not None and not waiting.done():
                            waiting.set_result(head.cn)
        except ConnectionError:
            pass  # told to those who wait, below
        finally:
            self.broken = True
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("the gateway closed the link"))


async def _each(frames: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(frames, AsyncIterable):
        async for frame in frames:
            yield frame
    else:
        for frame in frames:
            yield frame


def _entry(frame: bytes, head: Head) -> Entry:
    return Entry(
        event=Event.SENT,
        stream="cems",
        subject=head.mn,
        sha256=fingerprint(frame),
        time_us=0,
        qn=head.qn,
        cn=head.cn,
        data_time_us=None if head.data_time is None else to_microseconds(head.data_time),
        part=head.pno or 0,
    )


def _with_wrong_crc(frame: bytes) -> bytes:
    """Change the last digit of the CRC: every CRC of HJ 212 ends in 0 or 1, so 7 is always wrong."""
    body = frame.rstrip(b"\r\n")
    return body[:-1] + b"7" + frame[len(body) :]
