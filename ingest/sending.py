"""Sends packed records and says when all of them are durable; for imports and replays, not for doors."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from ingest.clients import open_client
from ingest.errors import BrokerError
from ingest.producer import ensure_topics

#: Records on the way before the oldest is waited for.
_ON_THE_WAY = 512
_ACKNOWLEDGED_SECONDS = 30


class RecordSender:
    """A context; leaving it without an error waits for every record. `first` is the offset of the
    first record of each (topic, partition), `sent` the one after its last.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._waiting: deque[Any] = deque()
        self.first: dict[tuple[str, int], int] = {}
        self.sent: dict[tuple[str, int], int] = {}

    def __enter__(self) -> RecordSender:
        """Raises BrokerError when the broker is not there."""
        ensure_topics(self._bootstrap)
        try:
            self._producer: Any = open_client(
                KafkaProducer,
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=5,
                batch_size=512 * 1024,
                max_request_size=8 * 1024 * 1024,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise BrokerError(f"Kafka at {self._bootstrap} cannot be reached: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self._producer.close(timeout=None if error is None else 0)

    def send(self, topic: str, partition: int, value: bytes) -> None:
        """Raises BrokerError when this or an earlier record was not acknowledged: send the whole again."""
        try:
            self._waiting.append(self._producer.send(topic, value=value, partition=partition))
        except KafkaError as error:
            raise self._error(error) from error
        while len(self._waiting) > _ON_THE_WAY:
            self._settle()

    def flush(self) -> None:
        """Return once every record is acknowledged. Raises BrokerError."""
        self._producer.flush()
        while self._waiting:
            self._settle()

    def _settle(self) -> None:
        try:
            done = self._waiting.popleft().get(timeout=_ACKNOWLEDGED_SECONDS)
        except KafkaError as error:
            raise self._error(error) from error
        place = (done.topic, done.partition)
        self.first[place] = min(self.first.get(place, done.offset), done.offset)
        self.sent[place] = max(self.sent.get(place, 0), done.offset + 1)

    def _error(self, error: KafkaError) -> BrokerError:
        return BrokerError(
            f"Kafka at {self._bootstrap} did not acknowledge a record: {error}; send again, what is there"
            " already is counted as duplicate"
        )
