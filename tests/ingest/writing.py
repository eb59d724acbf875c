"""What the tests of writer, importer, ledger and dead letters share: a broker, senders, counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaProducer

from domain.clock import to_microseconds
from domain.registry import (
    Device,
    DeviceState,
    Gate,
    GateId,
    Meter,
    MeterId,
    MeterRole,
    Outlet,
    OutletId,
    Registry,
    Site,
    SiteId,
)
from ingest.hj212 import crc_hj212
from ingest.producer import ensure_topics
from ingest.records import Item, Kind, pack
from ingest.topics import Topic
from ingest.writer import WriterSettings, run_writer
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.ports import free_port
from storage.connection import connect
from storage.registry import save_registry

START = datetime(2026, 3, 1, tzinfo=UTC)
MN = "88888880000001"
OUTLET = OutletId("P1-1")
REGISTRY = Registry(
    sites=(Site(SiteId("P1"), "一厂"),),
    outlets=(Outlet(OUTLET, SiteId("P1"), "1#", mn=MN), Outlet(OutletId("P1-2"), SiteId("P1"), "2#")),
    meters=(Meter(MeterId("M1"), SiteId("P1"), MeterRole.PRODUCTION),),
    gates=(Gate(GateId("G1"), SiteId("P1")),),
)
FACTORS = ("a34013", "a21026", "a21002", "a19001", "a00000")


@contextmanager
def memory_broker(directory: Path) -> Iterator[MemoryBroker]:
    """A broker of one test: topics of the suite's broker would carry the records of other tests."""
    broker = MemoryBroker(directory / "broker", free_port())
    broker.start()
    ensure_topics(broker.bootstrap)
    yield broker
    broker.stop()


def segment_frame(segment: str) -> bytes:
    body = segment.encode()
    return b"##%04d%s%04X\r\n" % (len(body), body, crc_hj212(body))


def minute_frame(
    minute: int,
    *,
    mn: str = MN,
    value: float | None = None,
    cn: str = "2051",
    factors: Sequence[str] = FACTORS,
) -> bytes:
    """A frame of minute means, one value a factor; `minute` counts from START."""
    time = START + timedelta(minutes=minute, hours=8)
    level = 10 + minute % 50 / 10 if value is None else value
    groups = ";".join(f"{code}-Avg={level + i:.2f},{code}-Flag=N" for i, code in enumerate(factors))
    head = f"QN={time:%Y%m%d%H%M%S}000;ST=31;CN={cn};PW=123456;MN={mn};Flag=5;"
    return segment_frame(f"{head}CP=&&DataTime={time:%Y%m%d%H%M%S};{groups}&&")


def received_us(minute: int) -> int:
    return to_microseconds(START + timedelta(minutes=minute, seconds=3))


@dataclass
class Sender:
    """Puts records straight into the broker, as the doors do."""

    bootstrap: str

    def __enter__(self) -> Sender:
        self._producer: Any = KafkaProducer(bootstrap_servers=self.bootstrap)
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close()

    def send(
        self, bodies: Sequence[bytes], *, kind: Kind = Kind.HJ212, topic: Topic = Topic.CEMS,
        partition: int = 0, received: int | None = None, peer: str = "10.0.0.7",
    ) -> None:  # fmt: skip
        """One record of these items, received shortly after START unless said otherwise."""
        at = received_us(60 * 24 * 30) if received is None else received
        self.raw(pack(kind, [Item(body, at, peer) for body in bodies]), topic=topic, partition=partition)

    def raw(self, value: bytes, *, topic: Topic = Topic.CEMS, partition: int = 0) -> None:
        self._producer.send(topic.value, value=value, partition=partition).get(timeout=10)


def register(url: str, registry: Registry = REGISTRY, devices: Sequence[Device] = ()) -> None:
    with connect(url, application_name="test") as connection:
        save_registry(connection, registry, devices)


def active(mn: str, **settings: Any) -> Device:
    return Device(mn, OUTLET, SiteId("P1"), DeviceState.ACTIVE, **settings)


def drain(url: str, bootstrap: str, **settings: Any) -> int:
    """Run a writer until everything in the broker is stored."""
    return run_writer(WriterSettings(url, bootstrap, until_drained=True, **settings))


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def count(url: str, table: str) -> int:
    return int(query(url, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def outcomes(url: str) -> dict[str, int]:
    """Items by outcome over all subjects, readings inside frames left out."""
    rows = query(
        url,
        "SELECT outcome, sum(items)::int FROM ingest_count WHERE stream <> 'frame_reading' GROUP BY outcome",
    )
    return dict(rows)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll a condition; an assertion fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
