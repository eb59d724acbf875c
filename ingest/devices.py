"""Letting a device in: from its approval on its frames count, those kept until then too, each once."""

from __future__ import annotations

import numpy as np

from domain.clock import to_microseconds
from domain.registry import OutletId
from ingest.records import Item, Kind, pack, unpack
from ingest.topics import Topic
from ingest.writer.consumed import Opened
from ingest.writer.frames import read_frames
from ingest.writer.keys import Keys
from storage.connection import Connection
from storage.errors import UnknownSubject
from storage.intake.kept_frames import KeptFrame, add_readings, kept_frames, lock_device
from storage.intake.rows import Batch, Items, PassageRows, PowerRows, RawRecord, Stream
from storage.registry import approve_device


def approve(connection: Connection, mn: str, outlet_id: OutletId) -> int:
    """Let a device speak for an outlet and use the frames kept of it; returns the reading rows added.

    One transaction: a writer that meets the device meanwhile waits and then uses its frames itself.
    Raises UnknownSubject when device or outlet are not there.
    """
    with connection.transaction():
        if lock_device(connection, mn) is None:
            raise UnknownSubject(f"no device with MN {mn!r} has been seen or registered")
        approve_device(connection, mn, outlet_id)
        return use_kept_frames(connection, mn)


def use_kept_frames(connection: Connection, mn: str) -> int:
    """Decode the kept frames of a device that is active by now; returns the reading rows added.

    Call it in the transaction that made the device active, the device locked before. Doing it twice adds
    nothing.
    """
    device_key = lock_device(connection, mn)
    if device_key is None:
        return 0
    keys = Keys(connection)
    added = 0
    for frames in kept_frames(connection, device_key):
        there = [frame for frame in frames if frame.body is not None]
        if there:
            added += add_readings(connection, device_key, there, _batch_of(there, mn, keys))
    return added


def _batch_of(frames: list[KeptFrame], mn: str, keys: Keys) -> Batch:
    value = pack(Kind.HJ212, [Item(f.body or b"", to_microseconds(f.received_at), f.peer) for f in frames])
    opened = Opened(0, 0, Topic.CEMS.value, unpack(value))
    parts = read_frames([opened], keys)
    size = len(frames)
    return Batch(
        advances=(),
        records=tuple(
            RawRecord(
                opened.topic, f.stream_key, f.partition, f.kafka_offset, to_microseconds(f.received_at), 1,
                f.body or b"",
            )
            for f in frames
        ),
        items=Items(
            np.arange(size, dtype=np.int32), np.zeros(size, np.int32), np.full(size, Stream.FRAME, np.int8),
            (mn,) * size,
        ),
        peers=parts.peers,
        frames=parts.frames.take(np.zeros(len(parts.frames), np.bool_)),
        readings=parts.readings,
        power=PowerRows.none(),
        passages=PassageRows.none(),
        refusals=(),
        idle_devices=(),
    )  # fmt: skip
