"""What both paths must say alike about one packet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from domain.clock import INTERVAL_KEYS
from ingest.hj212 import decode, key_time
from ingest.hj212.model import Frame, FrameColumns, ReadingColumns
from tests.ingest.hj212.frames import batch


def assert_paths_agree(packets: Sequence[bytes]) -> int:
    """Every frame the batch path takes is what decode() reads, bit for bit; the number of frames taken."""
    frames, rows = batch(packets)
    row = 0
    for i, packet in enumerate(packets):
        if frames.ok[i]:
            _assert_same_frame(decode(packet), frames, i)
            row = _assert_same_rows(decode(packet), rows, i, row)
    assert row == len(rows.frame)
    return int(frames.ok.sum())


def _assert_same_frame(frame: Frame, frames: FrameColumns, i: int) -> None:
    assert frame.ok
    assert frame.crc is not None
    assert frames.mn[i] == frame.mn.encode()
    assert frames.cn[i] == int(frame.cn)
    assert frames.part[i] == (frame.pno or 0)
    assert frames.key_time[i] == key_time(frame)
    assert frames.flag[i] == (-1 if frame.flag is None else frame.flag)
    assert str(frames.edition[i]) == frame.edition
    assert frames.crc_kind[i] == frame.crc.kind
    assert frames.payload_hash[i] == frame.payload_hash
    assert frames.problems[i] <= len(frame.problems)
    assert frames.readings[i] == len(frame.readings)


def _assert_same_rows(frame: Frame, rows: ReadingColumns, i: int, row: int) -> int:
    for reading in frame.readings:
        assert frame.interval is not None
        assert rows.frame[row] == i
        assert rows.interval_key[row] == INTERVAL_KEYS[frame.interval]
        assert rows.code[row] == reading.code.encode()
        assert rows.flag[row] == reading.flag.encode()
        for name in ("avg", "min", "max", "converted_avg", "total"):
            _assert_same_number(float(getattr(rows, name)[row]), getattr(reading, name))
        row += 1
    return row


def _assert_same_number(given: float, expected: float | None) -> None:
    assert math.isnan(given) if expected is None else given.hex() == expected.hex()
