"""Bundles into the database by the way everything takes: registry first, then lines through Kafka.

A line that is there already is counted as duplicate, another value for the same key is kept as conflict:
importing twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from domain.bundle import Bundle
from domain.errors import MingchaError
from domain.registry import Registry
from ingest.devices import use_kept_frames
from ingest.records import Kind, pack_lines
from ingest.sending import RecordSender
from ingest.topics import PARTITIONS, Topic, partition_of
from ingest.writer.source import describe_topics
from storage.connection import Connection
from storage.intake.kept_frames import lock_device, pending_among
from storage.intake.progress import Fate, fate_of, stored_up_to
from storage.registry import save_registry

#: A record of about 200 kB: few large records are cheaper on every step, and brokers take up to 1 MB.
LINES_PER_RECORD = 2000
_SLICE = 200_000
_POLL_SECONDS = 0.1

#: (table, rows sent so far, rows in all)
Progress = Callable[[str, int, int], None]


class ImportStalled(MingchaError):
    """Everything is in Kafka and nobody writes it to the database."""


@dataclass(frozen=True)
class _Way:
    kind: Kind
    topic: Topic
    subject: str


_WAYS: Mapping[str, _Way] = {
    "readings": _Way(Kind.READING_LINE, Topic.CEMS, "outlet_id"),
    "power": _Way(Kind.POWER_LINE, Topic.POWER, "meter_id"),
    "passages": _Way(Kind.PASSAGE_LINE, Topic.GATE, "gate_id"),
}


@dataclass(frozen=True)
class ImportReport:
    """`rows` sent per table; `first` and `sent` bound the records of it per (topic, partition)."""

    rows: Mapping[str, int]
    kept_readings: int  # of frames that waited for their device to be registered
    first: Mapping[tuple[str, int], int]
    sent: Mapping[tuple[str, int], int]
    seconds: float


def import_bundle(
    bundle: Bundle,
    connection: Connection,
    bootstrap: str,
    *,
    peer: str = "import",
    received_us: int | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Save the registry, then send every row; returns once the broker has all of them.

    Rows reach the tables by the writer (`wait_until_stored`). Raises BrokerError; then import again.
    """
    began = time.monotonic()
    kept = _save_registry(connection, bundle.registry)
    now_us = time.time_ns() // 1000 if received_us is None else received_us
    sites = _site_of(bundle.registry)
    rows: dict[str, int] = {}
    with RecordSender(bootstrap) as sender:
        for name, frame in bundle.streams().items():
            way = _WAYS[name]
            rows[name] = 0
            for partition, size, lines in _packed(frame, way, sites):
                sender.send(way.topic.value, partition, pack_lines(way.kind, lines, now_us, peer))
                rows[name] += size
                if progress is not None:
                    progress(name, rows[name], frame.height)
    return ImportReport(rows, kept, sender.first, sender.sent, time.monotonic() - began)


def wait_until_stored(
    report: ImportReport,
    connection: Connection,
    bootstrap: str,
    *,
    stalled_seconds: float = 30,
    progress: Callable[[int, int], None] | None = None,
) -> Fate:
    """Return once a writer has stored every record of an import, with what became of its lines.

    `progress` hears records stored and records in all. Raises ImportStalled when nothing moves.
    """
    ids = {state.topic: state.topic_id for state in describe_topics(bootstrap)}
    places = {(topic, ids[topic], partition): end for (topic, partition), end in report.sent.items()}
    begins = {(topic, ids[topic], partition): begin for (topic, partition), begin in report.first.items()}
    total = sum(end - begins[place] for place, end in places.items())
    done, moved_at = -1, time.monotonic()
    while True:
        positions = stored_up_to(connection, list(places))
        now_done = sum(
            min(max(positions.get(place, 0), begins[place]), end) - begins[place]
            for place, end in places.items()
        )
        if progress is not None:
            progress(now_done, total)
        if now_done == total:
            return fate_of(connection, begins, places)
        if now_done > done:
            done, moved_at = now_done, time.monotonic()
        elif time.monotonic() - moved_at > stalled_seconds:
            raise ImportStalled(
                f"{total - now_done} records of the import wait in Kafka and nothing writes them;"
                " start `mingcha writer`"
            )
        time.sleep(_POLL_SECONDS)


def _save_registry(connection: Connection, registry: Registry) -> int:
    """A registry that names an MN vouches for it: frames kept of it count from now on."""
    with connection.transaction():
        pending = pending_among(connection, [outlet.mn for outlet in registry.outlets if outlet.mn])
        for mn in pending:
            lock_device(connection, mn)
        save_registry(connection, registry)
        return sum(use_kept_frames(connection, mn) for mn in pending)


def _site_of(registry: Registry) -> dict[str, str]:
    sites: dict[str, str] = {outlet.outlet_id: outlet.site_id for outlet in registry.outlets}
    sites |= {meter.meter_id: meter.site_id for meter in registry.meters}
    return sites | {gate.gate_id: gate.site_id for gate in registry.gates}


def _packed(frame: pl.DataFrame, way: _Way, sites: Mapping[str, str]) -> Iterator[tuple[int, int, bytes]]:
    """(partition, how many, their lines) in the order of time, so that all partitions move together."""
    subjects = frame[way.subject].unique().to_list()
    partitions = {name: partition_of(sites.get(name, name), PARTITIONS) for name in subjects}
    ordered = frame.sort("time", maintain_order=True)
    for part in ordered.iter_slices(_SLICE):
        placed = part.with_columns(
            pl.col(way.subject).replace_strict(partitions, return_dtype=pl.Int32).alias("partition"),
            # naive times are Asia/Shanghai, and shorter
            pl.col("time").dt.convert_time_zone("Asia/Shanghai").dt.strftime("%Y-%m-%dT%H:%M:%S%.f"),
        )
        for own in placed.partition_by("partition", maintain_order=True):
            partition = int(own["partition"][0])
            filled = [column.name for column in own.drop("partition") if column.null_count() < own.height]
            for chunk in own.select(filled).iter_slices(LINES_PER_RECORD):
                yield partition, chunk.height, chunk.write_ndjson().encode()
