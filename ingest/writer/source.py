"""The Kafka side of the writer: partitions assigned and sought by hand, no consumer group.

Where a reader stands lives in the database. Topics have an id of their own: one made anew under its old name
(another broker, a test stack) is another stream and is read from its beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from ingest.clients import open_client
from ingest.errors import BrokerError
from ingest.topics import Topic
from ingest.writer.consumed import Consumed
from ingest.writer.errors import RecordsGone

_BOOTSTRAP_MS = 3000
_REQUEST_MS = 5000
#: A broker that does not number its topics.
NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class TopicState:
    topic: str
    topic_id: str
    partitions: tuple[int, ...]


def describe_topics(bootstrap: str) -> tuple[TopicState, ...]:
    """Our topics as the broker has them; those it does not have are left out. Raises BrokerError."""
    try:
        admin = open_client(
            KafkaAdminClient,
            bootstrap_servers=bootstrap,
            bootstrap_timeout_ms=_BOOTSTRAP_MS,
            request_timeout_ms=_REQUEST_MS,
        )
        try:
            found = admin.describe_topics([topic.value for topic in Topic])
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"Kafka at {bootstrap} does not describe our topics: {error}") from error
    return tuple(
        TopicState(
            entry["name"],
            str(entry["topic_id"] or NO_TOPIC_ID),
            tuple(sorted(partition["partition_index"] for partition in entry["partitions"])),
        )
        for entry in sorted(found, key=lambda entry: entry["name"])
        if entry["error_code"] == 0
    )


class Source:
    """Reads assigned partitions from given offsets. A context; entering raises BrokerError."""

    def __init__(self, bootstrap: str, streams: Mapping[str, int]) -> None:
        """`streams` maps topic to stream_key."""
        self._bootstrap = bootstrap
        self.streams = dict(streams)
        self._consumer: Any = None

    def __enter__(self) -> Source:
        try:
            self._consumer = open_client(
                KafkaConsumer,
                bootstrap_servers=self._bootstrap,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=50,
                max_partition_fetch_bytes=2 * 1024 * 1024,
                bootstrap_timeout_ms=_BOOTSTRAP_MS,
                reconnect_backoff_max_ms=500,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} cannot be reached: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False, timeout_ms=1000)

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read (topic, partition) from these offsets. Raises BrokerError; RecordsGone when the broker has
        deleted what was not read yet.
        """
        places = {TopicPartition(topic, number): offset for (topic, number), offset in positions.items()}
        try:
            self._consumer.assign(list(places))
            oldest = self._consumer.beginning_offsets(list(places), timeout_ms=_REQUEST_MS)
            for place, offset in places.items():
                if offset < oldest[place] and offset > 0:
                    raise RecordsGone(
                        f"{place.topic} partition {place.partition}: offsets {offset} to {oldest[place] - 1} "
                        "were deleted before they were stored; lengthen the retention of the topic, and set "
                        "ingest_offset on to continue without them"
                    )
                self._consumer.seek(place, max(offset, oldest[place]))
        except KafkaError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} gives no offsets: {error}") from error

    def poll(self, timeout_seconds: float, most: int) -> list[Consumed]:
        """Records as they come, those of a partition in order. Raises BrokerError."""
        try:
            answer = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000), max_records=most)
        except OffsetOutOfRangeError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} does not know our offsets: {error}") from error
        except KafkaError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} cannot be read: {error}") from error
        return [
            Consumed(
                topic=record.topic,
                stream_key=self.streams[record.topic],
                partition=record.partition,
                offset=record.offset,
                timestamp_us=max(record.timestamp, 0) * 1000,
                value=record.value or b"",
            )
            for records in answer.values()
            for record in records
        ]

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last record of each partition, as listed. Raises BrokerError.

        The in-memory broker lists the end of the batch before the last: a lower bound (see `is_read_up`).
        """
        try:
            listed = self._consumer.end_offsets(list(self._consumer.assignment()), timeout_ms=_REQUEST_MS)
        except KafkaError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} gives no end offsets: {error}") from error
        return {(place.topic, place.partition): offset for place, offset in listed.items()}

    def is_read_up(self, topic: str, partition: int, position: int, end: int) -> bool:
        """Whether nothing follows `position`, by the listed end and by what the last fetch reported."""
        if position < end:
            return False
        mark = self._consumer.highwater(TopicPartition(topic, partition))
        return end == 0 if mark is None else position >= mark

    def records_behind(self, positions: Mapping[tuple[str, int], int]) -> int:
        """Records fetched reports know of and `positions` have not reached."""
        behind = 0
        for (topic, partition), position in positions.items():
            mark = self._consumer.highwater(TopicPartition(topic, partition))
            behind += max(0, (mark or 0) - position)
        return behind


def chosen(partitions: Collection[int], wanted: Collection[int] | None) -> list[int]:
    """The partitions a writer takes; None takes all."""
    return sorted(p for p in partitions if wanted is None or p in wanted)
