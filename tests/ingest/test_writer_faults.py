"""Exactly once through crashes, rivals and lost servers; replay rebuilds the same rows."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.ledger import check_ledger
from ingest.producer import ensure_topics
from ingest.records import Kind
from ingest.topics import Topic
from ingest.writer import WriterSettings, run_writer, session
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.ports import free_port
from mingcha.stack.postgres import EmbeddedPostgres
from storage.connection import connect
from storage.intake import Fenced, store, store_batch
from storage.migrate import migrate
from tests.ingest.writing import (
    FACTORS,
    Sender,
    count,
    drain,
    memory_broker,
    minute_frame,
    outcomes,
    query,
    register,
    until,
)

pytestmark = pytest.mark.stack

FRAMES = 400


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MemoryBroker]:
    with memory_broker(tmp_path) as started:
        yield started


@pytest.fixture
def sender(broker: MemoryBroker) -> Iterator[Sender]:
    with Sender(broker.bootstrap) as opened:
        yield opened


def send_history(sender: Sender, frames: int = FRAMES) -> None:
    """Records of ten frames on two partitions, each record sent again now and then."""
    for start in range(0, frames, 10):
        record = [minute_frame(minute) for minute in range(start, min(start + 10, frames))]
        for _ in range(2 if start % 70 == 0 else 1):
            sender.send(record, partition=start // 10 % 2)


def assert_each_once(url: str, frames: int = FRAMES) -> None:
    assert count(url, "frame") == frames
    assert count(url, "reading") == frames * len(FACTORS)
    assert outcomes(url)["stored"] == frames
    with connect(url, application_name="test") as connection:
        assert check_ledger(connection).problems == ()


class Running:
    """A writer in a thread; leaving the context stops it and gives its error."""

    def __init__(self, url: str, bootstrap: str, **settings: Any) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._settings = WriterSettings(url, bootstrap, **settings)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            run_writer(self._settings, self.stop)
        except Fenced as error:
            self.error = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_beside_the_commit_neither_loses_nor_doubles(
    database: str, broker: MemoryBroker, sender: Sender, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    register(database)
    send_history(sender)
    monkeypatch.setattr(session, "BATCH_ROWS", 300)
    crashes = iter(random.Random(1).choices([True, False], k=1000))
    real = store.add_counts if moment == "before" else store_batch

    def crash(*arguments: Any) -> Any:
        answer = real(*arguments)
        if next(crashes):
            raise psycopg.OperationalError("the connection is gone")
        return answer

    if moment == "before":
        monkeypatch.setattr(store, "add_counts", crash)
    else:
        monkeypatch.setattr(session, "store_batch", crash)
    monkeypatch.setattr("ingest.writer.run._FIRST_BACKOFF_SECONDS", 0.001)
    drain(database, broker.bootstrap)
    assert_each_once(database)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_process_neither_loses_nor_doubles(
    database: str, broker: MemoryBroker, sender: Sender, tmp_path: Path, seed: int
) -> None:
    register(database)
    environment = {
        **os.environ, "MINGCHA_DATABASE_URL": database, "MINGCHA_KAFKA": broker.bootstrap,
        "MINGCHA_HOME": str(tmp_path),
    }  # fmt: skip
    luck = random.Random(seed)
    process = subprocess.Popen(
        [sys.executable, "-m", "mingcha", "writer"], env=environment, stderr=subprocess.DEVNULL
    )
    send_history(sender, FRAMES // 2)
    threshold = luck.randrange(1, FRAMES // 40)
    until(lambda: count(database, "raw_record") >= threshold or process.poll() is not None)
    time.sleep(luck.random() * 0.02)  # a random moment, not a condition
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    for minute in range(FRAMES // 2, FRAMES):
        sender.send([minute_frame(minute)], partition=minute % 2)
    drain(database, broker.bootstrap)
    assert_each_once(database)


def test_sigterm_ends_a_writer_process_cleanly(database: str, broker: MemoryBroker, tmp_path: Path) -> None:
    environment = {**os.environ, "MINGCHA_DATABASE_URL": database, "MINGCHA_KAFKA": broker.bootstrap}
    process = subprocess.Popen(
        [sys.executable, "-m", "mingcha", "writer", "--partitions", "0-3"], env=environment,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: count(database, "ingest_offset") == 4 * len(Topic) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_of_two_writers_on_a_partition_one_is_fenced_and_nothing_is_doubled(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    with Running(database, broker.bootstrap) as first, Running(database, broker.bootstrap) as second:
        minute = 0
        deadline = time.monotonic() + 20
        while first.alive and second.alive and time.monotonic() < deadline:
            sender.send([minute_frame(minute)], partition=minute % 8)
            minute += 1
        assert first.alive is not second.alive
        sender.send([minute_frame(minute)])
        until(lambda: count(database, "frame") == minute + 1)
    assert isinstance(first.error or second.error, Fenced)
    assert "another writer" in str(first.error or second.error)
    assert_each_once(database, minute + 1)


def test_two_writers_share_the_partitions(database: str, broker: MemoryBroker, sender: Sender) -> None:
    register(database)
    send_history(sender)
    halves = [
        Running(database, broker.bootstrap, partitions=p, until_drained=True) for p in ((0,), range(1, 8))
    ]
    with halves[0], halves[1]:
        until(lambda: not halves[0].alive and not halves[1].alive)
    assert_each_once(database)


def test_a_database_that_crashes_midway_is_waited_for(
    broker: MemoryBroker, sender: Sender, stack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "BATCH_ROWS", 300)
    server = EmbeddedPostgres(stack_directory / "crashing", free_port())
    server.start()
    try:
        migrate(server.url)
        register(server.url)
        with Running(server.url, broker.bootstrap):
            send_history(sender, FRAMES // 2)
            until(lambda: count(server.url, "frame") > 20)
            server.stop("immediate")
            for minute in range(FRAMES // 2, FRAMES):
                sender.send([minute_frame(minute)])
            server.start()
            until(lambda: count(server.url, "frame") == FRAMES)
        assert_each_once(server.url)
    finally:
        server.remove()


def test_a_broker_that_comes_back_empty_is_read_from_its_beginning(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_LOOK_SECONDS", 0.2)
    register(database)
    first = MemoryBroker(tmp_path, free_port())
    first.start()
    ensure_topics(first.bootstrap)
    with Running(database, first.bootstrap):
        with Sender(first.bootstrap) as sender:
            sender.send([minute_frame(1)])
        until(lambda: count(database, "frame") == 1)
        first.kill()
        second = MemoryBroker(tmp_path, first.port)
        second.start()
        ensure_topics(second.bootstrap)
        with Sender(second.bootstrap) as sender:
            sender.send([minute_frame(2)])
        until(lambda: count(database, "frame") == 2)
    second.stop()
    gc.collect()  # the sockets kafka-python forgets when refused, before the end of the run finds them


TABLES = {
    "raw_record": "SELECT s.topic, partition, kafka_offset, received_at, items, body"
    " FROM raw_record JOIN stream s USING (stream_key)",
    "frame": "SELECT mn, key_time, cn, part, received_at, payload_hash, sha256, crc_kind, f.edition,"
    " problems, readings, peer, topic, partition, kafka_offset, byte_offset, length"
    " FROM frame f JOIN device USING (device_key) JOIN stream USING (stream_key)",
    "reading": "SELECT * FROM reading_named",
    "power": "SELECT meter_id, time, kw, kwh FROM power JOIN meter USING (meter_key)",
    "conflict": "SELECT kind, subject, key_time, existing - 'stream_key', offered - 'stream_key', topic,"
    " partition, kafka_offset, item FROM conflict JOIN stream USING (stream_key)",
    "dead_letter": "SELECT s.topic, d.topic, partition, kafka_offset, item, received_at, subject,"
    " stage, reason, body FROM dead_letter d JOIN stream s USING (stream_key)",
    "ingest_count": "SELECT * FROM ingest_count",
}


def rows_of(url: str, table: str) -> list[str]:
    return sorted(map(repr, query(url, TABLES[table])))


def test_replaying_the_topics_rebuilds_the_same_rows_whatever_the_batches(
    database: str, empty_database: str, broker: MemoryBroker, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    luck = random.Random(7)
    migrate(empty_database)
    send_history(sender, 120)
    for minute in luck.sample(range(120), 20):
        sender.send([minute_frame(minute, value=luck.choice([1, 2])), minute_frame(minute + 200)])
    sender.send([luck.randbytes(40), b"##0010" + luck.randbytes(30), minute_frame(3, mn="strange")])
    lines = [
        b'{"meter_id":"M1","time":"2026-03-01 08:%02d","kw":%d}' % (luck.randrange(20), luck.randrange(3))
        for _ in range(60)
    ]
    sender.send([*lines, b"{", b'{"meter_id":"M9"}'], kind=Kind.POWER_LINE, topic=Topic.POWER)
    for url, rows in ((database, 10_000), (empty_database, 37)):
        monkeypatch.setattr(session, "BATCH_ROWS", rows)
        register(url)
        drain(url, broker.bootstrap)
    for table in TABLES:
        assert rows_of(database, table) == rows_of(empty_database, table), table
    assert outcomes(database)["conflict"] > 10


def test_whatever_bytes_come_every_item_is_accounted_for(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    luck = random.Random(3)
    register(database)
    items = 0
    for _ in range(60):
        bodies = []
        for _ in range(luck.randrange(1, 8)):
            body = bytearray(minute_frame(luck.randrange(30), value=luck.randrange(3)))
            for _ in range(luck.choice([0, 0, 1, 3])):
                body[luck.randrange(len(body))] = luck.randrange(256)
            bodies.append(bytes(body[: luck.choice([len(body), luck.randrange(1, len(body))])]))
        items += len(bodies)
        kind = luck.choice([Kind.HJ212, Kind.HJ212, Kind.READING_LINE, Kind.DEAD_LETTER])
        sender.send(bodies, kind=kind)
    assert drain(database, broker.bootstrap) == items
    assert sum(outcomes(database).values()) == items
    with connect(database, application_name="test") as connection:
        assert check_ledger(connection).problems == ()
