"""Packs items into Kafka records and says when they are durable.

Items of one (topic, partition, kind) share a record until it is `LINGER_SECONDS` old or `PACK_BYTES` long.
kafka-python's producer is threaded: one worker thread of ours packs and sends, its callbacks come back to the
event loop once per record.

A record the broker did not acknowledge in time **may still be there**: whoever sent its items gets no answer
and sends them again, and the writer drops what it has seen. After any failure the client is made anew,
because an idempotent producer that lost a batch has lost its place in the sequence.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from ingest import metrics
from ingest.clients import open_client
from ingest.errors import BrokerError, Refused
from ingest.records import PACK_BYTES, Item, Kind, pack
from ingest.topics import PARTITIONS, Topic, partition_of

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.02
BOUND_BYTES = 64 * 1024 * 1024
#: Shorter than the resend time of a device (HJ 212-2017 table 1: 10 s): later, it has sent again anyway.
DELIVERY_SECONDS = 10.0
_RECONNECT_SECONDS = 1.0
_BOOTSTRAP_MS = 3000
_CLOSE_SECONDS = 0.5
_ITEM_OVERHEAD_BYTES = 14


def ensure_topics(bootstrap: str, replication: int = 1) -> None:
    """Create our topics where they are missing, each with `PARTITIONS` partitions. Raises BrokerError."""
    wanted = {
        topic.value: {"num_partitions": PARTITIONS, "replication_factor": replication} for topic in Topic
    }
    try:
        admin = open_client(
            KafkaAdminClient,
            bootstrap_servers=bootstrap,
            bootstrap_timeout_ms=_BOOTSTRAP_MS,
            reconnect_backoff_max_ms=500,
        )
        try:
            present = set(admin.list_topics())
            for name in wanted.keys() - present:
                try:
                    admin.create_topics({name: wanted[name]})
                except TopicAlreadyExistsError:
                    log.debug("topic_made_by_another", extra={"topic": name})
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"Kafka at {bootstrap} does not take our topics: {error}") from error


@dataclass(eq=False)
class _Open:
    """A record being filled. Its future is shared by all who put an item in: never cancel it."""

    topic: Topic
    partition: int
    kind: Kind
    durable: asyncio.Future[None]
    timer: asyncio.TimerHandle | None = None
    items: list[Item] = field(default_factory=list)
    size_bytes: int = 0


class PackingProducer:
    """The one way into the broker: an async context; all methods belong to the event loop that entered it."""

    def __init__(
        self,
        bootstrap: str,
        *,
        linger_seconds: float = LINGER_SECONDS,
        bound_bytes: int = BOUND_BYTES,
        delivery_seconds: float = DELIVERY_SECONDS,
        replication: int = 1,
    ) -> None:
        """Raises ValueError on a bound that does not hold one full record."""
        if bound_bytes < PACK_BYTES:
            raise ValueError(f"the bound is at least {PACK_BYTES} bytes, not {bound_bytes}")
        self._bootstrap = bootstrap
        self._linger_seconds = linger_seconds
        self._delivery_ms = int(delivery_seconds * 1000)
        self._replication = replication
        self.bound_bytes = bound_bytes
        self.waiting_bytes = 0
        self.reachable = False
        self._open: dict[tuple[Topic, int, Kind], _Open] = {}
        self._sent: set[_Open] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._pool = ThreadPoolExecutor(1, "producer")
        self._client: Any = None  # only the pool's thread touches it
        self._refuse_until = 0.0
        self._closing = False

    async def __aenter__(self) -> PackingProducer:
        """Connect and make the topics. Raises BrokerError when the broker is not there."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._loop.run_in_executor(self._pool, self._connect)
        except BrokerError:
            self._pool.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush within the delivery time, fail the rest, let the client go."""
        try:
            async with asyncio.timeout(self._delivery_ms / 1000):
                await self.flush()
        except TimeoutError:
            log.warning("producer_closed_unsettled", extra={"records": len(self._sent)})
        self._closing = True
        await self._loop.run_in_executor(self._pool, self._drop_client)
        self._pool.shutdown(wait=False)
        await asyncio.sleep(0)  # let the last callbacks of the client's thread arrive

    def submit(self, topic: Topic, kind: Kind, subject: str, item: Item) -> asyncio.Future[None]:
        """Take an item; the future completes when the broker has it on all in-sync replicas.

        The future fails with BrokerError when the broker did not acknowledge. It is shared by the items of a
        record: add callbacks or await it under `asyncio.shield`. Raises Refused when too much is waiting.
        """
        size = len(item.body) + _ITEM_OVERHEAD_BYTES
        if self.waiting_bytes + size > self.bound_bytes:
            if self.waiting_bytes:
                self._room.clear()  # set again when something of it is settled
            raise Refused(
                f"{self.waiting_bytes} bytes wait for the broker, {self.bound_bytes} is the most; try later"
            )
        key = (topic, partition_of(subject), kind)
        record = self._open.get(key)
        if record is None:
            record = _Open(*key, self._loop.create_future())
            record.durable.add_done_callback(_look_at)
            record.timer = self._loop.call_later(self._linger_seconds, self._close_record, key)
            self._open[key] = record
        record.items.append(item)
        record.size_bytes += size
        self._wait_more(size)
        if record.size_bytes >= PACK_BYTES:
            self._close_record(key)
        return record.durable

    def refuse(
        self, stage: str, reason: str, detail: str, *, topic: Topic, subject: str, item: Item
    ) -> asyncio.Future[None]:
        """Keep what a door refused: a dead letter of a JSON head line, a newline and the bytes."""
        head = {"stage": stage, "reason": reason, "detail": detail, "mn": subject, "topic": topic.value}
        body = json.dumps(head, ensure_ascii=False).encode() + b"\n" + item.body
        future = self.submit(
            Topic.DEAD_LETTER, Kind.DEAD_LETTER, subject or item.peer, Item(body, item.received_us, item.peer)
        )
        metrics.DEAD_LETTERS.labels(stage, reason).inc()
        return future

    @property
    def has_room(self) -> bool:
        """Whether a door may go on reading."""
        return self._room.is_set()

    async def room(self) -> None:
        """Return once a door may go on reading: less than three quarters of the bound is waiting."""
        await self._room.wait()

    async def flush(self) -> None:
        """Send what is open and return when every record is settled, one way or the other."""
        for key in list(self._open):
            self._close_record(key)
        waiting = [record.durable for record in self._sent]
        if waiting:
            await asyncio.wait(waiting)

    def _wait_more(self, size_bytes: int) -> None:
        self.waiting_bytes += size_bytes
        metrics.WAITING_BYTES.set(self.waiting_bytes)
        if self.waiting_bytes * 4 < self.bound_bytes * 3:
            self._room.set()
        else:
            self._room.clear()

    def _close_record(self, key: tuple[Topic, int, Kind]) -> None:
        record = self._open.pop(key)
        if record.timer is not None:
            record.timer.cancel()
        self._sent.add(record)
        self._pool.submit(self._send, record)

    def _settled(self, record: _Open, error: BaseException | None) -> None:
        if record not in self._sent:
            return
        self._sent.discard(record)
        self._wait_more(-record.size_bytes)
        self.reachable = error is None
        outcome = "acknowledged" if error is None else "failed"
        metrics.RECORDS.labels(record.topic.value, outcome).inc()
        metrics.RECORD_ITEMS.observe(len(record.items))
        if error is None:
            record.durable.set_result(None)
        else:
            log.warning(
                "record_not_acknowledged",
                extra={"topic": record.topic.value, "partition": record.partition, "error": str(error)},
            )
            record.durable.set_exception(
                BrokerError(f"Kafka at {self._bootstrap} did not acknowledge {record.topic.value}: {error}")
            )

    # Below: the pool's thread and the client's own.

    def _send(self, record: _Open) -> None:
        try:
            client = self._client or self._connect()
            sent = client.send(
                record.topic.value, pack(record.kind, record.items), partition=record.partition
            )
        except (KafkaError, BrokerError) as error:
            self._failed(record, self._client, error)
            return
        sent.add_callback(self._acknowledged, record)
        sent.add_errback(self._failed, record, client)

    def _acknowledged(self, record: _Open, _metadata: object) -> None:
        self._loop.call_soon_threadsafe(self._settled, record, None)

    def _failed(self, record: _Open, client: Any, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._settled, record, error)
        if client is not None and not self._closing:
            self._pool.submit(self._replace, client)

    def _replace(self, client: Any) -> None:
        if client is self._client:
            self._drop_client()

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.close(timeout=_CLOSE_SECONDS)
        except KafkaTimeoutError:
            # raised before kafka-python stops anything: make it fail what it still holds, then close
            client._sender.force_close()
            client.close(timeout=_CLOSE_SECONDS)

    def _connect(self) -> Any:
        if time.monotonic() < self._refuse_until:
            raise BrokerError(f"Kafka at {self._bootstrap} was not there a moment ago")
        try:
            ensure_topics(self._bootstrap, self._replication)
            self._client = open_client(
                KafkaProducer,
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                batch_size=512 * 1024,
                delivery_timeout_ms=self._delivery_ms,
                request_timeout_ms=max(1000, self._delivery_ms // 2),
                max_block_ms=2000,
                bootstrap_timeout_ms=_BOOTSTRAP_MS,
                reconnect_backoff_max_ms=500,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
            for topic in Topic:
                self._client.partitions_for(topic.value)
        except (KafkaError, BrokerError) as error:
            self._drop_client()
            self._refuse_until = time.monotonic() + _RECONNECT_SECONDS
            raise BrokerError(f"Kafka at {self._bootstrap} cannot be reached: {error}") from error
        self._loop.call_soon_threadsafe(self._became_reachable)
        return self._client

    def _became_reachable(self) -> None:
        self.reachable = True


def _look_at(future: asyncio.Future[None]) -> None:
    # a record nobody asks about must not end as "exception was never retrieved" in the log
    if not future.cancelled():
        future.exception()


async def all_durable(futures: Sequence[asyncio.Future[None]]) -> None:
    """Return when all are durable. Raises the first BrokerError."""
    await asyncio.shield(asyncio.gather(*dict.fromkeys(futures)))
