"""HJ 212 items to rows: the batch path for what it takes, the readable path for the rest."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.hj212 import CrcKind, Frame, Severity, decode
from ingest.records import Kind
from ingest.writer.codec import Columns, decode_columns, replace_rows
from ingest.writer.consumed import Opened, is_plausible
from ingest.writer.keys import Keys
from storage.intake.keys import DeviceKey
from storage.intake.rows import FrameRows, ReadingRows, Refusal

STAGE = Kind.HJ212.name.lower()
#: Stands for a sender that is no address: an importer, a cut name.
NO_ADDRESS = "0.0.0.0"


@dataclass(frozen=True)
class FrameParts:
    """Rows in the order of their items; `subjects` is the MN of every item, refused ones too."""

    frames: FrameRows
    readings: ReadingRows
    peers: tuple[str, ...]
    subjects: list[str]
    refusals: list[Refusal]
    idle_devices: tuple[int, ...]


@dataclass(frozen=True)
class _Packets:
    """The HJ 212 items of a batch, end to end in one buffer."""

    buffer: bytes
    offsets: npt.NDArray[np.int64]  # in buffer
    lengths: npt.NDArray[np.int64]
    byte_offset: npt.NDArray[np.int64]  # in the record
    received_us: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    source: npt.NDArray[np.int64]  # index into the records opened

    def body(self, i: int) -> bytes:
        start = int(self.offsets[i])
        return self.buffer[start : start + int(self.lengths[i])]


def read_frames(opened: Sequence[Opened], keys: Keys) -> FrameParts:
    """Decode the frames of these records and give their senders and factors keys."""
    packets = _gather(opened)
    columns, refused = _decode(packets, opened, keys)
    refusals = [
        _refuse(opened, packets, i, subject, reason, detail)
        for i, (subject, reason, detail) in refused.items()
    ]
    frames, readings = columns.frames, columns.readings
    key_time = np.where(frames.key_time < 0, packets.received_us, frames.key_time)
    mns = [_storable(mn.decode("latin-1")) for mn in frames.mn.tolist()]
    for i, (subject, _, _) in refused.items():
        mns[i] = subject
    keep = frames.ok.copy()
    for i in np.flatnonzero(keep & ~is_plausible(key_time, packets.received_us)).tolist():
        keep[i] = False
        detail = "the time of the frame is before 2000 or more than a day after it was received"
        refusals.append(_refuse(opened, packets, i, mns[i], "implausible_time", detail))
    for i in [i for i in np.flatnonzero(keep).tolist() if not mns[i]]:
        keep[i] = False
        refusals.append(_refuse(opened, packets, i, "", "no_sender", "the frame has no MN"))

    factor_key, unnamed = _factor_keys(columns, keys)
    for i in np.unique(readings.frame[unnamed]).tolist():
        if keep[i]:
            keep[i] = False
            detail = "a factor code that is no text, or one nobody defined when no more such codes are taken"
            refusals.append(_refuse(opened, packets, i, mns[i], "factor_code", detail))

    kept = np.flatnonzero(keep)
    devices = keys.devices(mns[i] for i in kept.tolist())
    sender = [devices[mns[i]] for i in kept.tolist()]
    outlet_key = np.full(len(keep), -1, np.int64)
    outlet_key[kept] = [-1 if device.outlet_key is None else device.outlet_key for device in sender]
    idle = {device.device_key for device in sender if device.outlet_key is None}
    peers, peer = _peers(opened, packets)

    used = outlet_key[readings.frame] >= 0
    return FrameParts(
        frames=FrameRows(
            item=packets.item[kept].astype(np.int32),
            device_key=np.array([device.device_key for device in sender], np.int32),
            key_time=key_time[kept],
            cn=frames.cn[kept],
            part=frames.part[kept],
            received=packets.received_us[kept],
            payload_hash=frames.payload_hash[kept],
            sha256=_sha256(packets, kept),
            crc_kind=frames.crc_kind[kept],
            edition=frames.edition[kept],
            problems=frames.problems[kept],
            readings=np.where(outlet_key >= 0, frames.readings, 0)[kept].astype(np.int16),
            peer=peer[kept],
            record=np.array([o.index for o in opened], np.int32)[packets.source[kept]],
            byte_offset=packets.byte_offset[kept].astype(np.int32),
            length=packets.lengths[kept].astype(np.int32),
        ),
        readings=ReadingRows(
            item=packets.item[readings.frame].astype(np.int32),
            outlet_key=outlet_key[readings.frame].astype(np.int32),
            factor_key=factor_key,
            interval_key=readings.interval_key,
            time=key_time[readings.frame],
            avg=readings.avg,
            min=readings.min,
            max=readings.max,
            converted_avg=readings.converted_avg,
            total=readings.total,
            flag=_printable(readings.flag),
        ).take(used),
        peers=peers,
        subjects=mns,
        refusals=refusals,
        idle_devices=tuple(sorted(idle)),
    )


def read_again(packet: bytes, device: DeviceKey | None) -> Frame:
    """The readable path with what the registry allows this device."""
    if device is None:
        return decode(packet)
    accepted = {CrcKind.HJ212} | {CrcKind[name.upper()] for name in device.accepted_crc}
    return decode(packet, accepted_crc=frozenset(accepted), key=device.sm4_key)


def _decode(
    packets: _Packets, opened: Sequence[Opened], keys: Keys
) -> tuple[Columns, dict[int, tuple[str, str, str]]]:
    """All frames as columns, and for those still refused (subject, reason, detail)."""
    columns = decode_columns(packets.buffer, packets.offsets, packets.lengths)
    refused: dict[int, tuple[str, str, str]] = {}
    accepted: dict[int, Frame] = {}
    for i in np.flatnonzero(~columns.frames.ok).tolist():
        frame = decode(packets.body(i))
        sender = _storable(frame.mn)
        device = keys.known_device(sender) if sender else None
        if device is not None and (device.accepted_crc or device.sm4_key):
            frame = read_again(packets.body(i), device)
        if frame.ok:
            accepted[i] = frame
        else:
            refused[i] = (sender, *_why(frame))
    return replace_rows(columns, accepted), refused


def _why(frame: Frame) -> tuple[str, str]:
    for problem in frame.problems:
        if problem.severity is Severity.REFUSAL:
            return problem.code, f"byte {problem.offset}: {problem.text}"
    return "refused", "the codec refuses the frame and names no reason"


def _gather(opened: Sequence[Opened]) -> _Packets:
    buffers = [o.record.buffer for o in opened]
    starts = np.cumsum([0, *(len(buffer) for buffer in buffers[:-1])])
    sizes = [len(o.record) for o in opened]
    byte_offset = np.concatenate([o.record.offsets for o in opened])
    return _Packets(
        buffer=buffers[0] if len(buffers) == 1 else b"".join(buffers),
        offsets=byte_offset + np.repeat(starts, sizes),
        lengths=np.concatenate([o.record.lengths for o in opened]),
        byte_offset=byte_offset,
        received_us=np.concatenate([o.record.received_us for o in opened]),
        item=np.concatenate([o.first_item + np.arange(len(o.record)) for o in opened]),
        source=np.repeat(np.arange(len(opened)), sizes),
    )


def _refuse(
    opened: Sequence[Opened], packets: _Packets, i: int, subject: str, reason: str, detail: str
) -> Refusal:
    source = opened[int(packets.source[i])]
    number = int(packets.item[i]) - source.first_item
    return source.refusal(number, subject=subject, stage=STAGE, reason=reason, detail=detail)


def _factor_keys(columns: Columns, keys: Keys) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """The key of each reading's code; 0 and True where there is none."""
    codes = np.ascontiguousarray(columns.readings.code)
    seen, index = np.unique(codes, return_inverse=True)
    texts = [code.decode("latin-1") for code in seen.tolist()]
    known = keys.factors([text for text in texts if text.isascii() and text.isprintable()])
    by_code = np.array([known.get(text, 0) for text in texts], np.int16)
    factor_key = by_code[index] if len(codes) else np.empty(0, np.int16)
    return factor_key, factor_key == 0


def _peers(opened: Sequence[Opened], packets: _Packets) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    names: dict[str, int] = {}
    parts = []
    for o in opened:
        own = [names.setdefault(_address(peer), len(names)) for peer in o.record.peers]
        parts.append(np.array(own, np.int32)[o.record.peer])
    return tuple(names), np.concatenate(parts)


def _address(peer: str) -> str:
    try:
        return str(ipaddress.ip_address(peer))
    except ValueError:
        return NO_ADDRESS


def _sha256(packets: _Packets, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
    view = memoryview(packets.buffer)
    spans = zip(packets.offsets[rows].tolist(), packets.lengths[rows].tolist(), strict=True)
    digests = b"".join(hashlib.sha256(view[start : start + length]).digest() for start, length in spans)
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def _storable(mn: str) -> str:
    """An MN as PostgreSQL text can hold it."""
    return mn.replace("\0", "\ufffd")


def _printable(flags: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bytes_]:
    """Flags as PostgreSQL text can hold them: bytes outside ASCII become `?`."""
    octets = np.ascontiguousarray(flags).view(np.uint8)
    if not octets.size or int(octets.max()) < 0x80:
        return flags
    return np.where(octets >= 0x80, ord("?"), octets).astype(np.uint8).view(flags.dtype)
