"""What the writer takes from Kafka, opened: records, and the items in them by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.clock import MICROSECONDS_PER_HOUR
from ingest.records import Kind, Record, RecordError, unpack
from storage.intake.rows import RawRecord, Refusal, Stream

#: 2000-01-01 and 2100-01-01 UTC: a receive time outside is no time of ours.
EARLIEST_US, LATEST_US = 946_684_800_000_000, 4_102_444_800_000_000
#: A device clock may be ahead by this much; later times would make partitions of the far future.
AHEAD_US = 24 * MICROSECONDS_PER_HOUR

STREAMS = {
    Kind.HJ212: Stream.FRAME,
    Kind.READING_LINE: Stream.READING,
    Kind.POWER_LINE: Stream.POWER,
    Kind.PASSAGE_LINE: Stream.PASSAGE,
    Kind.DEAD_LETTER: Stream.REFUSED,
}


@dataclass(frozen=True)
class Consumed:
    """One Kafka record; `timestamp_us` is the broker's, µs since 1970 UTC."""

    topic: str
    stream_key: int
    partition: int
    offset: int
    timestamp_us: int
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """A record that could be read. Its items are numbers `first_item` and following of the batch."""

    index: int  # of its record in the batch
    first_item: int
    topic: str
    record: Record

    def refusal(self, number: int, *, subject: str, stage: str, reason: str, detail: str) -> Refusal:
        """Item `number` of this record as a dead letter."""
        return Refusal(
            item=self.first_item + number,
            topic=self.topic,
            received_us=int(self.record.received_us[number]),
            peer=self.record.peer_of(number),
            subject=subject,
            stage=stage,
            reason=reason,
            detail=detail,
            body=self.record.body(number),
        )


@dataclass(frozen=True)
class OpenedBatch:
    """`record` and `number` say for each item where it stands; subjects are filled in by the readers."""

    records: tuple[RawRecord, ...]
    opened: tuple[Opened, ...]
    refusals: tuple[Refusal, ...]  # records nobody can read
    record: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    stream: npt.NDArray[np.int8]

    def of_kind(self, kind: Kind) -> list[Opened]:
        return [o for o in self.opened if o.record.kind is kind]


def open_records(consumed: Sequence[Consumed]) -> OpenedBatch:
    """Unpack every record; one that is not ours counts as one item and becomes a dead letter whole."""
    records, opened, refusals = [], [], []
    sizes, streams = [], []
    first = 0
    for index, one in enumerate(consumed):
        received_us = min(max(one.timestamp_us, EARLIEST_US), LATEST_US)
        size, stream = 1, Stream.REFUSED
        try:
            record = _unpack(one.value)
        except RecordError as error:
            refusals.append(
                Refusal(first, one.topic, received_us, "", "", "record", "bad_record", str(error), one.value)
            )
        else:
            received_us = int(record.received_us[0])
            size, stream = len(record), STREAMS[record.kind]
            opened.append(Opened(index, first, one.topic, record))
        records.append(
            RawRecord(one.topic, one.stream_key, one.partition, one.offset, received_us, size, one.value)
        )
        sizes.append(size)
        streams.append(stream)
        first += size
    return OpenedBatch(
        records=tuple(records),
        opened=tuple(opened),
        refusals=tuple(refusals),
        record=np.repeat(np.arange(len(records), dtype=np.int32), sizes),
        number=_numbers(sizes),
        stream=np.repeat(np.array(streams, np.int8), sizes),
    )


def is_plausible(time_us: npt.NDArray[np.int64], received_us: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a time may be stored: not before 2000, not more than a day after it was received."""
    return (time_us >= EARLIEST_US) & (time_us <= received_us + AHEAD_US)


def _unpack(value: bytes) -> Record:
    record = unpack(value)
    if len(record) == 0:
        raise RecordError("the record holds no items")
    received = record.received_us
    if int(received.min()) < EARLIEST_US or int(received.max()) >= LATEST_US:
        raise RecordError("an item was received outside the years 2000 to 2099")
    return record


def _numbers(sizes: Iterable[int]) -> npt.NDArray[np.int32]:
    return np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
