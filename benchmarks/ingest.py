"""Readings a second into the database, against the server copying a file of the same rows (R0).

    mingcha bench ingest [--json]    or    python -m benchmarks.ingest

A private PostgreSQL (fsync on) and an in-memory broker. DEVICES devices send frames of ten factors minute
after minute. Each round measures, into empty tables with their keys:

- `server_copy` R0: `COPY reading FROM file (binary)`, one statement, the rows in the order they arrived;
- `readings_only`: decoded batches to the same rows, with positions and counts: what R0 does, by the writer;
- `arrays`: decoded batches to durable readings, frames, raw records, counts and positions;
- `kafka`: the writer, from records in the broker to the same;
- `kafka_duplicates`: the same with every twentieth frame sent again.

R0 and `readings_only` write nothing but readings; the others everything a frame leaves behind, its bytes
included. Medians of the rounds.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaProducer

from domain.clock import SHANGHAI, to_microseconds
from domain.registry import Device, DeviceState, Outlet, OutletId, Registry, Site, SiteId
from ingest.hj212 import crc_hj212
from ingest.producer import ensure_topics
from ingest.records import PACK_BYTES, Item, Kind, pack
from ingest.topics import Topic, partition_of
from ingest.writer import WriterSettings, run_writer
from ingest.writer.consumed import Consumed
from ingest.writer.keys import Keys
from ingest.writer.prepare import prepare
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.ports import free_port
from mingcha.stack.postgres import EmbeddedPostgres
from storage.connection import connect
from storage.intake import (
    Batch,
    prefer_fast_compression,
    read_positions,
    store_batch,
    stream_key_of,
)
from storage.intake.rows import FrameRows
from storage.migrate import migrate
from storage.registry import save_registry

READINGS = 1_000_000
ROUNDS = 3
DEVICES = 200
IDLE_SHARE = 0.90  # of all cores, in a short look before each round
GOALS = {"readings_only": 0.85, "kafka": 0.60}
_START = datetime(2026, 1, 1, tzinfo=SHANGHAI)
_FACTORS = (
    "a34013", "a21026", "a21002", "a21005", "a19001", "a01011", "a01012", "a01013", "a01014", "a00000",
)  # fmt: skip
_STREAMS = ("reading", "frame", "raw_record", "ingest_count", "conflict", "dead_letter", "ingest_offset")

Records = list[tuple[int, bytes]]  # partition, packed record


def run(readings: int = READINGS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Rates in readings/s and their ratio to R0 of the same round, medians; JSON-able."""
    directory = Path(tempfile.mkdtemp(prefix="mingcha-bench-"))
    server = EmbeddedPostgres(directory / "postgres", free_port())
    idle: list[float] = []
    rates: dict[str, list[float]] = {}
    try:
        server.start()
        migrate(server.url)
        _register(server.url)
        plain = _records(readings // len(_FACTORS), again_every=0)
        doubled = _records(readings // len(_FACTORS), again_every=20)
        file = _file_of_rows(server, directory, plain)
        for _ in range(rounds):
            idle.append(_idle_share())
            for name, seconds in (
                ("server_copy", _server_copy(server.url, file)),
                ("readings_only", _arrays(server.url, plain, only_readings=True)),
                ("arrays", _arrays(server.url, plain, only_readings=False)),
                ("kafka", _kafka(server.url, directory, plain)),
                ("kafka_duplicates", _kafka(server.url, directory, doubled)),
            ):
                rates.setdefault(name, []).append(readings / seconds)
    finally:
        server.remove()
        shutil.rmtree(directory, ignore_errors=True)
    results = [
        {
            "path": name,
            "readings_per_second": round(statistics.median(values)),
            "ratio_to_r0": round(
                statistics.median(v / r0 for v, r0 in zip(values, rates["server_copy"], strict=True)), 3
            ),
            "goal": GOALS.get(name, ""),
        }
        for name, values in rates.items()
    ]
    return {
        "machine_idle_before": round(min(idle), 3),
        "machine_was_idle": min(idle) >= IDLE_SHARE,
        "cores": os.cpu_count(),
        "readings": readings,
        "rounds": rounds,
        "results": results,
        "not_measured": "TCP to rows",
    }


def _register(url: str) -> None:
    sites = tuple(Site(SiteId(f"S{n}"), f"S{n}") for n in range(DEVICES))
    outlets = tuple(Outlet(OutletId(f"S{n}-1"), SiteId(f"S{n}")) for n in range(DEVICES))
    devices = [
        Device(_mn(n), OutletId(f"S{n}-1"), SiteId(f"S{n}"), DeviceState.ACTIVE) for n in range(DEVICES)
    ]
    with connect(url, application_name="bench") as connection:
        save_registry(connection, Registry(sites=sites, outlets=outlets), devices)


def _mn(number: int) -> str:
    return f"8888888{number:07d}"


def _records(frames: int, *, again_every: int) -> Records:
    """Frames minute by minute over all devices, packed as the gateway packs them."""
    waiting: dict[int, list[Item]] = {}
    sizes: dict[int, int] = {}
    records: Records = []
    for number in range(frames):
        minute, device = divmod(number, DEVICES)
        frame = _frame(device, minute)
        partition = partition_of(f"S{device}")
        item = Item(frame, to_microseconds(_START + timedelta(minutes=minute, seconds=2)), "10.0.0.1")
        items = waiting.setdefault(partition, [])
        items += [item] * (2 if again_every and number % again_every == 0 else 1)
        sizes[partition] = sizes.get(partition, 0) + len(frame)
        if sizes[partition] >= PACK_BYTES:
            records.append((partition, pack(Kind.HJ212, waiting.pop(partition))))
            sizes[partition] = 0
    records += [(partition, pack(Kind.HJ212, items)) for partition, items in waiting.items()]
    return records


def _frame(device: int, minute: int) -> bytes:
    time_text = f"{_START + timedelta(minutes=minute):%Y%m%d%H%M%S}"
    groups = ";".join(
        f"{code}-Rtd={(device * 7 + minute * 13 + i * 101) % 9973 / 100:.2f},{code}-ZsRtd="
        f"{(device * 11 + minute * 17 + i * 89) % 9967 / 100:.2f},{code}-Flag=N"
        for i, code in enumerate(_FACTORS)
    )
    body = (
        f"QN={time_text}000;ST=31;CN=2011;PW=123456;MN={_mn(device)};Flag=5;"
        f"CP=&&DataTime={time_text};{groups}&&"
    ).encode()
    return b"##%04d%s%04X\r\n" % (len(body), body, crc_hj212(body))


def _empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(_STREAMS)}".encode())
        connection.execute("CHECKPOINT")


def _file_of_rows(server: EmbeddedPostgres, directory: Path, records: Records) -> Path:
    """The reading rows as the server reads them fastest; made by the writer, so warm-up as well."""
    _kafka(server.url, directory, records)
    file = server.directory / "readings.bin"  # where the server may write
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"COPY reading TO '{file}' (FORMAT binary)".encode())
    return file


def _server_copy(url: str, file: Path) -> float:
    _empty(url)
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        connection.execute(f"COPY reading FROM '{file}' (FORMAT binary)".encode())
        return time.perf_counter() - began


def _arrays(url: str, records: Records, *, only_readings: bool) -> float:
    _empty(url)
    with connect(url, application_name="bench", autocommit=True) as connection:
        stream_key = stream_key_of(connection, Topic.CEMS.value, "00000000-0000-0000-0000-000000000001")
        read_positions(connection, stream_key, range(8))
        prefer_fast_compression(connection)
        batches = list(_batches(records, stream_key, Keys(connection)))
        if only_readings:
            batches = [replace(batch, frames=FrameRows.none(), records=()) for batch in batches]
        began = time.perf_counter()
        for batch in batches:
            store_batch(connection, batch, "bench")
        return time.perf_counter() - began


def _batches(records: Records, stream_key: int, keys: Keys) -> Iterator[Batch]:
    """About 10,000 readings each, as the writer makes them."""
    positions = {(stream_key, partition): 0 for partition in range(8)}
    size = max(1, 10_000 // (len(_FACTORS) * (PACK_BYTES // len(_frame(0, 0)))))
    offsets = dict.fromkeys(range(8), 0)
    for start in range(0, len(records), size):
        consumed = []
        for partition, value in records[start : start + size]:
            consumed.append(Consumed(Topic.CEMS.value, stream_key, partition, offsets[partition], 0, value))
            offsets[partition] += 1
        yield prepare(consumed, positions, keys)
        positions |= {(stream_key, partition): offset for partition, offset in offsets.items()}


def _kafka(url: str, directory: Path, records: Records) -> float:
    _empty(url)
    broker = MemoryBroker(directory / "broker", free_port())
    broker.start()
    try:
        ensure_topics(broker.bootstrap)
        _produce(broker.bootstrap, records)
        began = time.perf_counter()
        run_writer(WriterSettings(url, broker.bootstrap, until_drained=True))
        return time.perf_counter() - began
    finally:
        broker.stop()


def _produce(bootstrap: str, records: Sequence[tuple[int, bytes]]) -> None:
    producer: Any = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", batch_size=512 * 1024, linger_ms=5
    )
    for partition, value in records:
        producer.send(Topic.CEMS.value, value=value, partition=partition)
    producer.flush()
    producer.close()


def _idle_share() -> float:
    """Share of all cores that nobody used in half a second. Linux; 0 where /proc is not there."""

    def look() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return fields[3] + fields[4], sum(fields)

    if not Path("/proc/stat").exists():
        return 0.0
    idle, total = look()
    time.sleep(0.5)
    idle_after, total_after = look()
    return (idle_after - idle) / max(1, total_after - total)


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
