"""One device socket: bytes in, packets judged and kept, answers out in the order of the packets.

Reading stops while too much of this socket, or of all sockets together, waits for the broker; TCP then makes
the device wait. An answer is written only after the record that holds its packet was acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass

from domain.registry import Device
from ingest import metrics
from ingest.directory import Directory
from ingest.errors import Refused
from ingest.gateway.judge import Keep, judge
from ingest.gateway.limits import Limits
from ingest.hj212.framing import Packet, Piece, Splitter
from ingest.hj212.head import read_head
from ingest.producer import PackingProducer
from ingest.records import Item, Kind
from ingest.topics import Topic

log = logging.getLogger(__name__)

READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class _Due:
    """One packet on its way to the broker, with the answer it is to get."""

    durable: asyncio.Future[None]
    answer: bytes | None
    answer_cn: str
    size_bytes: int
    read_at: float


class _Over(Exception):
    """The conversation ends; the reason is a label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Connection:
    """Runs one socket from accept to close. `addresses`: where each MN spoke from last, on any socket."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        producer: PackingProducer,
        devices: Directory[Device],
        addresses: dict[str, str],
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._producer = producer
        self._devices = devices
        self._addresses = addresses
        self._limits = limits
        self._splitter = Splitter(limits.max_packet_bytes)
        self._due: deque[_Due] = deque()
        self._unacknowledged_bytes = 0
        self._changed = asyncio.Event()
        self._refusals = 0
        self._packet_since: float | None = None
        self.peer = str((writer.get_extra_info("peername") or ("",))[0])

    async def run(self) -> None:
        """Returns when the socket is closed. Cancelled, it reads no more and answers what becomes durable."""
        reason = "error"
        try:
            await self._converse()
        except _Over as over:
            reason = over.reason
            await self._take_rest()
        except ConnectionError:
            reason = "reset"
            await self._take_rest()
        except asyncio.CancelledError:
            reason = "shutdown"
        finally:
            metrics.CLOSED.labels(reason).inc()
            log.debug("device_socket_closed", extra={"peer": self.peer, "reason": reason})
            await self._close()

    async def _converse(self) -> None:
        while True:
            await self._room()
            chunk = await self._read()
            self._take_time(chunk)
            if chunk == b"":
                raise _Over("device")
            pieces = self._splitter.settle() if chunk is None else self._splitter.feed(chunk)
            for piece in pieces:
                await self._take(piece)
            if pieces and self._packet_since is not None:
                self._packet_since = time.monotonic() if self._splitter.pending else None
            if self._refusals >= self._limits.max_refusals_in_a_row:
                raise _Over("only_refusals")

    async def _take_rest(self) -> None:
        for piece in self._splitter.finish():
            await self._take(piece)

    def _take_time(self, chunk: bytes | None) -> None:
        if chunk and self._packet_since is None:
            self._packet_since = time.monotonic()

    async def _read(self) -> bytes | None:
        """The next bytes, b'' at the end, None when an open packet has been quiet for a moment."""
        if self._packet_since is None or not self._splitter.pending:
            self._packet_since = None
            return await self._read_within(self._limits.idle_seconds, "idle")
        left = self._packet_since + self._limits.packet_seconds - time.monotonic()
        if left <= 0:
            raise _Over("slow")
        try:
            return await self._read_within(min(left, self._limits.settle_seconds), "quiet")
        except _Over:
            return None

    async def _read_within(self, seconds: float, reason: str) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(READ_BYTES)
        except TimeoutError:
            raise _Over(reason) from None

    async def _room(self) -> None:
        limit = self._limits.max_unacknowledged_bytes
        if self._unacknowledged_bytes >= limit or not self._producer.has_room:
            began = time.monotonic()
            while self._unacknowledged_bytes >= limit:
                self._changed.clear()
                await self._changed.wait()
            await self._producer.room()
            metrics.BLOCKED_SECONDS.labels("gateway").inc(time.monotonic() - began)
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._writer.drain()
        except TimeoutError:
            raise _Over("answers_not_taken") from None

    async def _take(self, piece: Piece) -> None:
        item = Item(piece.raw, time.time_ns() // 1000, self.peer)
        while True:
            try:
                durable, answer, answer_cn = await self._submit(piece, item)
                break
            except Refused:
                await self._producer.room()
        self._unacknowledged_bytes += len(item.body)
        shared = bool(self._due) and self._due[-1].durable is durable
        self._due.append(_Due(durable, answer, answer_cn, len(item.body), time.monotonic()))
        if not shared:
            durable.add_done_callback(self._answer_durable)

    async def _submit(self, piece: Piece, item: Item) -> tuple[asyncio.Future[None], bytes | None, str]:
        if not isinstance(piece, Packet):
            return self._refuse("garbage", piece.reason, "", item), None, ""
        head = read_head(piece.raw)
        device = self._devices.get(head.mn) or await self._devices.find(head.mn)
        verdict = judge(piece.raw, head, device)
        if not isinstance(verdict, Keep):
            durable = self._refuse(verdict.reason, verdict.detail, verdict.mn, item)
            return durable, verdict.answer, verdict.answer_cn
        durable = self._producer.submit(Topic.CEMS, Kind.HJ212, verdict.subject, item)
        metrics.FRAMES.labels("kept" if verdict.known else "quarantined").inc()
        self._refusals = 0
        if verdict.known:
            self._watch_address(verdict.mn)
        return durable, verdict.answer, verdict.answer_cn

    def _refuse(self, reason: str, detail: str, mn: str, item: Item) -> asyncio.Future[None]:
        durable = self._producer.refuse("gateway", reason, detail, topic=Topic.CEMS, subject=mn, item=item)
        metrics.FRAMES.labels(reason).inc()
        self._refusals += 1
        return durable

    def _watch_address(self, mn: str) -> None:
        before = self._addresses.get(mn)
        if before != self.peer:
            self._addresses[mn] = self.peer
            if before is not None:
                metrics.MOVED.inc()
                log.warning("device_address_changed", extra={"mn": mn, "before": before, "now": self.peer})

    def _answer_durable(self, _future: asyncio.Future[None]) -> None:
        """Answer from the front of the queue as far as the broker has acknowledged."""
        now = time.monotonic()
        answers = []
        while self._due and self._due[0].durable.done():
            due = self._due.popleft()
            self._unacknowledged_bytes -= due.size_bytes
            if due.durable.exception() is not None:
                metrics.UNANSWERED.inc()
            elif due.answer is not None:
                answers.append(due.answer)
                metrics.ANSWERS.labels(due.answer_cn).inc()
                metrics.ANSWER_SECONDS.observe(now - due.read_at)
        if answers and not self._writer.is_closing():
            self._writer.write(b"".join(answers))
        self._changed.set()

    async def _close(self) -> None:
        """Wait for what is on its way (the producer has a deadline), answer it, let the socket go."""
        while self._due:
            self._changed.clear()
            await self._changed.wait()
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()
