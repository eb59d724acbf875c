"""From one reading of the positions to the next: poll, prepare, store, as long as both parts are there."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from enum import Enum, auto

import numpy as np
import polars as pl
import psycopg

from ingest.records import Kind
from ingest.writer import metrics
from ingest.writer.consumed import Consumed
from ingest.writer.errors import WriterStuck
from ingest.writer.keys import Keys
from ingest.writer.prepare import prepare, refuse_all
from ingest.writer.settings import WriterSettings
from ingest.writer.source import Source, TopicState, chosen, describe_topics
from storage.connection import Connection
from storage.errors import CopyError
from storage.intake import Batch, Outcome, StaleRegistry, Stored, Stream, read_positions, store_batch
from storage.intake.offsets import LET_GO, let_go_when_hung

log = logging.getLogger(__name__)

#: 10,000 rows a transaction were the best all-round (measured: 1,000 and 50,000 are slower).
BATCH_ROWS = 10_000
LINGER_SECONDS = 0.05
#: A value of a frame takes about this many bytes with its name and its share of the head.
_BYTES_PER_READING = 34
_POLL_RECORDS = 256
_IDLE_POLL_SECONDS = 0.2
_LOOK_SECONDS = 2.0
#: More records in a row than this that cannot be stored are our fault, not theirs.
MOST_REFUSED_IN_A_ROW = 20
#: An approval between making and storing a batch makes it stale; approvals are rare.
_MOST_STALE = 10

#: What storing a record of whatever bytes may raise; anything else is a fault that must be seen.
_POISON = (
    psycopg.DataError, psycopg.IntegrityError, CopyError, ValueError, ArithmeticError, LookupError,
    pl.exceptions.PolarsError,
)  # fmt: skip


class Ending(Enum):
    DONE = auto()  # told to stop, or drained
    AGAIN = auto()  # topics were made anew: begin with their new ids


class Session:
    """Owns a connection and a source for as long as both live. `items` counts what it committed."""

    def __init__(
        self,
        settings: WriterSettings,
        connection: Connection,
        source: Source,
        topics: Sequence[TopicState],
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._source = source
        self._topics = topics
        self._stop = stop
        self._keys = Keys(connection)
        self._places: dict[tuple[str, int], tuple[int, int]] = {}  # (topic, partition) -> (stream, partition)
        self._positions: dict[tuple[int, int], int] = {}
        self._refused_in_a_row = 0
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self.items = 0

    def run(self) -> Ending:
        """Read and write until told to stop, until drained, or until topics were made anew.

        Raises what run_writer raises, psycopg.OperationalError and BrokerError.
        """
        self._begin()
        waiting: deque[Consumed] = deque()
        weight, since = 0, 0.0
        while not self._stop.is_set():
            if not waiting:
                since = time.monotonic() + _IDLE_POLL_SECONDS
            polled = self._source.poll(
                _IDLE_POLL_SECONDS if not waiting else max(0.0, since - time.monotonic()), _POLL_RECORDS
            )
            if polled and not waiting:
                since = time.monotonic() + LINGER_SECONDS
            waiting.extend(polled)
            weight += sum(_weight(one.value) for one in polled)
            while waiting and (weight >= BATCH_ROWS or time.monotonic() >= since):
                batch = _next_batch(waiting)
                weight -= sum(_weight(one.value) for one in batch)
                self._write(batch)
                if self._stop.is_set():
                    return Ending.DONE
            if not waiting and self._look_around(idle=not polled):
                return Ending.AGAIN
            if self._settings.until_drained and not waiting and not polled and self._is_drained():
                return Ending.DONE
        return Ending.DONE

    def _begin(self) -> None:
        let_go_when_hung(self._connection)
        streams = self._source.streams
        for state in self._topics:
            taken = chosen(state.partitions, self._settings.partitions)
            found = read_positions(self._connection, streams[state.topic], taken)
            for partition, next_offset in found.items():
                place = (streams[state.topic], partition)
                self._places[state.topic, partition] = place
                self._positions[place] = next_offset
        self._source.assign(self._by_topic())

    def _by_topic(self) -> dict[tuple[str, int], int]:
        return {named: self._positions[place] for named, place in self._places.items()}

    def _write(self, consumed: Sequence[Consumed]) -> None:
        """Store these records; one that cannot be stored for its content becomes dead letters."""
        began = time.monotonic()
        try:
            batch, stored = self._store(consumed)
        except _POISON as error:
            if len(consumed) > 1:
                middle = len(consumed) // 2
                self._write(consumed[:middle])
                self._write(consumed[middle:])
                return
            batch, stored = self._refuse(consumed[0], error)
        else:
            self._refused_in_a_row = 0
        for step in batch.advances:
            self._positions[step.stream_key, step.partition] = step.next_offset
        self.items += len(stored.outcomes)
        _observe(batch, stored, time.monotonic() - began)

    def _store(self, consumed: Sequence[Consumed]) -> tuple[Batch, Stored]:
        for _ in range(_MOST_STALE):
            try:
                batch = prepare(consumed, self._positions, self._keys)
                return batch, store_batch(self._connection, batch, self._settings.owner)
            except StaleRegistry:
                self._keys.forget()
            except LET_GO as error:
                raise psycopg.OperationalError(f"this writer hung and the server let go: {error}") from error
        raise WriterStuck("the registry kept changing while a batch was stored; what approves devices?")

    def _refuse(self, one: Consumed, error: Exception) -> tuple[Batch, Stored]:
        self._refused_in_a_row += 1
        log.exception(
            "record_unstorable", extra={"topic": one.topic, "partition": one.partition, "offset": one.offset}
        )
        if self._refused_in_a_row > MOST_REFUSED_IN_A_ROW:
            raise WriterStuck(
                f"{MOST_REFUSED_IN_A_ROW} records in a row could not be stored, the last one {one.topic}"
                f" partition {one.partition} offset {one.offset}: {error}; see the log"
            ) from error
        batch = refuse_all(one, self._positions, f"{type(error).__name__}: {error}")
        return batch, store_batch(self._connection, batch, self._settings.owner)

    def _look_around(self, *, idle: bool) -> bool:
        """Every few seconds: lag, and whether the topics are still those we read."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_SECONDS
        metrics.LAG_RECORDS.set(self._source.records_behind(self._by_topic()))
        if not idle:
            return False
        metrics.LAG_SECONDS.set(0)
        # a topic deleted and made anew answers fetches from the old position with nothing, for ever
        return describe_topics(self._settings.kafka) != tuple(self._topics)

    def _is_drained(self) -> bool:
        ends = self._source.ends()
        return all(
            self._source.is_read_up(topic, partition, position, ends[topic, partition])
            for (topic, partition), position in self._by_topic().items()
        )


def _weight(value: bytes) -> int:
    """About how many rows a packed record brings, from its head alone."""
    if len(value) < 10:
        return 1
    if value[3] == Kind.HJ212:
        return len(value) // _BYTES_PER_READING
    return max(1, len(value) // 160)


def _next_batch(waiting: deque[Consumed]) -> list[Consumed]:
    batch: list[Consumed] = []
    weight = 0
    while waiting and weight < BATCH_ROWS:
        weight += _weight(waiting[0].value)
        batch.append(waiting.popleft())
    return batch


def _observe(batch: Batch, stored: Stored, seconds: float) -> None:
    pairs = batch.items.stream.astype(np.int64) * len(Outcome) + stored.outcomes
    for pair, count in enumerate(np.bincount(pairs).tolist()):
        if count:
            stream, outcome = Stream(pair // len(Outcome)), Outcome(pair % len(Outcome))
            metrics.ITEMS.labels(stream.name.lower(), outcome.name.lower()).inc(count)
    for table, rows in stored.rows.items():
        metrics.ROWS.labels(table).inc(rows)
    for table in stored.sorted_tables:
        metrics.SORTED.labels(table).inc()
    metrics.BATCHES.inc()
    metrics.BATCH_ROWS.observe(sum(stored.rows.values()))
    metrics.STORE_SECONDS.observe(seconds)
    newest_us = max(record.received_us for record in batch.records)
    metrics.LAG_SECONDS.set(max(0.0, time.time() - newest_us / 1_000_000))
