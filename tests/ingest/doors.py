"""Doors on real parts: a gateway on a free port, frames to knock with, and what reached the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from domain.registry import Device, DeviceState, OutletId, SiteId
from ingest.directory import Directory
from ingest.gateway import Gateway, Limits
from ingest.hj212 import Edition, FrameDraft, Packet, Splitter, encode, read_head
from ingest.producer import PackingProducer
from ingest.records import Kind, unpack
from ingest.topics import PARTITIONS, Topic
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.ports import free_port

START = datetime(2026, 11, 20, 2, tzinfo=UTC)


def device(mn: str, **changes: object) -> Device:
    """An active device of site `site-<mn>`."""
    fields: dict[str, object] = {
        "mn": mn, "outlet_id": OutletId("outlet"), "site_id": SiteId(f"site-{mn}"),
        "state": DeviceState.ACTIVE,
    } | changes  # fmt: skip
    return Device(**fields)  # type: ignore[arg-type]


def frame(
    mn: str, number: int = 0, *, edition: Edition = Edition.HJ_2017, cn: str = "2011", **draft: object
) -> bytes:
    """The number-th frame of a device: 30 s apart, one factor."""
    at = START + timedelta(seconds=30 * number)
    fields: dict[str, object] = {
        "edition": edition, "cn": cn, "mn": mn, "qn": at, "data_time": at,
        "groups": ((("a21026-Rtd", f"{number % 97}.5"), ("a21026-Flag", "N")),),
    } | draft  # fmt: skip
    (packet,) = encode(FrameDraft(**fields))  # type: ignore[arg-type]
    return packet


@asynccontextmanager
async def gateway(
    kafka: str, devices: Mapping[str, Device], limits: Limits | None = None, *, delivery_seconds: float = 10.0
) -> AsyncIterator[tuple[Gateway, PackingProducer]]:
    async with (
        PackingProducer(kafka, delivery_seconds=delivery_seconds) as producer,
        Directory(lambda: devices) as directory,
        Gateway(producer, directory, limits=limits) as door,
    ):
        yield door, producer


class Link:
    """A bare socket to a gateway: writes bytes, gives the answers one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._splitter = Splitter()
        self._answers: list[bytes] = []

    @classmethod
    async def to(cls, port: int) -> Link:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def answer(self, seconds: float = 10.0) -> bytes:
        """The next answer; b'' when the gateway closed. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self._answers:
                chunk = await self.reader.read(65536)
                if not chunk:
                    return b""
                self._answers += [p.raw for p in self._splitter.feed(chunk) if isinstance(p, Packet)]
        return self._answers.pop(0)

    async def silent(self, seconds: float) -> bool:
        try:
            return not await self.answer(seconds)
        except TimeoutError:
            return True

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@dataclass(frozen=True)
class Kept:
    """One item found in the broker."""

    partition: int
    kind: Kind
    body: bytes
    peer: str


def kept(kafka: str, topic: Topic, about: str) -> list[Kept]:
    """Every item of a topic whose bytes hold `about`, from the beginning of its partitions."""
    consumer = KafkaConsumer(
        bootstrap_servers=kafka, consumer_timeout_ms=3000, allow_auto_create_topics=False
    )
    try:
        partitions = [TopicPartition(topic.value, p) for p in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        found = []
        while any(consumer.position(p) < ends[p] for p in partitions):
            for messages in consumer.poll(timeout_ms=200).values():
                for message in messages:
                    record = unpack(message.value)
                    found += [
                        Kept(message.partition, record.kind, record.body(i), record.peer_of(i))
                        for i in range(len(record))
                    ]
        return [item for item in found if about.encode() in item.body]
    finally:
        consumer.close()


def heads(items: list[Kept]) -> list[str]:
    return [read_head(item.body).qn for item in items]


@contextmanager
def own_broker(directory: Path) -> Iterator[MemoryBroker]:
    """A broker of this test's own, to be stopped and killed."""
    broker = MemoryBroker(directory / "broker", free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once the condition holds. Raises AssertionError after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.01)
