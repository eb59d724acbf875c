"""Packed Kafka records: many items of one partition in one record, bytes as received.

Layout, little-endian::

    magic    2 bytes  b"MC"
    version  u8       1
    kind     u8       Kind
    peers    u16      number of peer entries
    count    u32      number of items
    peers    u8 length + UTF-8 text each
    items    count x (received_us i64, peer u16, length u32)      packed, 14 bytes each
    bytes    the items one after the other

Received times are µs since 1970 UTC. A record is at most a few hundred kB; `PACK_BYTES` is where a door
closes one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from domain.errors import MingchaError

MAGIC = b"MC"
VERSION = 1
PACK_BYTES = 64 * 1024
_HEAD = struct.Struct("<2sBBHI")
_ITEM = np.dtype([("received_us", "<i8"), ("peer", "<u2"), ("length", "<u4")])


class Kind(IntEnum):
    """What the items of a record are."""

    HJ212 = 0  # one frame each, from ## to the last byte of CRC or tail
    READING_LINE = 1  # one JSON object each, columns of the bundle's readings table
    POWER_LINE = 2
    PASSAGE_LINE = 3
    DEAD_LETTER = 4  # JSON head line, newline, then the refused bytes


class RecordError(MingchaError):
    """A Kafka record is not one of ours; says at which byte it stopped making sense."""


@dataclass(frozen=True)
class Item:
    body: bytes
    received_us: int
    peer: str


@dataclass(frozen=True)
class Record:
    """An unpacked record: item i is `buffer[offsets[i] : offsets[i] + lengths[i]]`.

    Offsets count from the start of the record as stored, so they are also offsets into `raw_record.body`.
    """

    kind: Kind
    peers: tuple[str, ...]
    received_us: npt.NDArray[np.int64]
    peer: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    buffer: bytes

    def __len__(self) -> int:
        return len(self.offsets)

    def body(self, index: int) -> bytes:
        start = int(self.offsets[index])
        return self.buffer[start : start + int(self.lengths[index])]

    def peer_of(self, index: int) -> str:
        return self.peers[int(self.peer[index])]


def pack(kind: Kind, items: Sequence[Item]) -> bytes:
    """Pack items in the order given. Raises ValueError on none or on more than 65,535 peers."""
    if not items:
        raise ValueError("a record holds at least one item")
    peers = {peer: i for i, peer in enumerate(dict.fromkeys(item.peer for item in items))}
    if len(peers) > 0xFFFF:
        raise ValueError("a record holds at most 65,535 peers")
    table = np.empty(len(items), _ITEM)
    table["received_us"] = [item.received_us for item in items]
    table["peer"] = [peers[item.peer] for item in items]
    table["length"] = [len(item.body) for item in items]
    names = [peer.encode()[:255] for peer in peers]
    parts = [_HEAD.pack(MAGIC, VERSION, kind, len(peers), len(items))]
    parts += [bytes((len(name),)) + name for name in names]
    parts.append(table.tobytes())
    parts += [item.body for item in items]
    return b"".join(parts)


def pack_lines(kind: Kind, lines: bytes, received_us: int, peer: str) -> bytes:
    """Pack NDJSON, one item a line, all received at once; for imports, where there are millions.

    `lines` ends with a line end and holds no empty line. Raises ValueError when it does not.
    """
    octets = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(octets == ord("\n"))
    if not len(ends) or ends[-1] != len(octets) - 1:
        raise ValueError("lines end with a line end")
    table = np.zeros(len(ends), _ITEM)
    table["received_us"] = received_us
    table["length"] = np.diff(ends, prepend=-1) - 1
    if not table["length"].all():
        raise ValueError("a line is empty")
    name = peer.encode()[:255]
    head = _HEAD.pack(MAGIC, VERSION, kind, 1, len(ends)) + bytes((len(name),)) + name
    return head + table.tobytes() + lines.replace(b"\n", b"")


def unpack(value: bytes) -> Record:
    """Read a packed record. Raises RecordError with the byte where it breaks."""
    if len(value) < _HEAD.size:
        raise RecordError(f"record of {len(value)} bytes is shorter than its head")
    magic, version, kind, peer_count, count = _HEAD.unpack_from(value)
    if magic != MAGIC or version != VERSION:
        raise RecordError(f"byte 0: not a record of version {VERSION}: {value[:4]!r}")
    try:
        known = Kind(kind)
    except ValueError:
        raise RecordError(f"byte 3: unknown kind {kind}") from None
    position = _HEAD.size
    peers = []
    for _ in range(peer_count):
        if position >= len(value):
            raise RecordError(f"byte {position}: the peer table is cut")
        length = value[position]
        peers.append(value[position + 1 : position + 1 + length].decode(errors="replace"))
        position += 1 + length
    if position + count * _ITEM.itemsize > len(value):
        raise RecordError(f"byte {position}: the item table is cut")
    table = np.frombuffer(value, _ITEM, count, position)
    position += count * _ITEM.itemsize
    lengths = table["length"].astype(np.int64)
    ends = position + np.cumsum(lengths)
    if (int(ends[-1]) if count else position) != len(value):
        raise RecordError(f"byte {position}: items do not fill the record of {len(value)} bytes")
    peer = table["peer"].astype(np.int32)
    if count and int(peer.max()) >= len(peers):
        raise RecordError("an item names a peer the record does not have")
    return Record(
        known, tuple(peers), table["received_us"].astype(np.int64), peer, ends - lengths, lengths, value
    )
