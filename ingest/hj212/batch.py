"""Many frames to columns at once: the fast path beside `decode`, on numba, without the interpreter lock.

It reads the strict and common form of the standard and refuses everything else: `ok` False here means
"ask decode()", not "the frame is bad". CRC-16/MODBUS, ciphertext, repeated keys, blanks, dates before 1971,
exponents and numbers of more than 53 bits all go that way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.hj212.batch_kernels import (
    CODE_BYTES,
    FLAG_BYTES,
    MN_BYTES,
    FrameRows,
    ReadingRows,
    decode_frames,
)
from ingest.hj212.model import CrcKind, FrameColumns, ReadingColumns
from ingest.hj212.scan import AVG, CONVERTED_AVG, CONVERTED_MIN, MAX, MIN, TOTAL

#: `x-Cou=1` and a separator: the shortest item that can open a row of readings.
_SHORTEST_ROW = 8


def decode_batch(
    buffer: bytes | memoryview, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> tuple[FrameColumns, ReadingColumns]:
    """Decode frame i = buffer[offsets[i] : offsets[i] + lengths[i]], `##` to the last byte of its tail.

    Row i of the frame columns is frame i, refused or not; a refused row has ok False and no other meaning.
    Reading rows stand frame after frame. Frames may lie anywhere in the buffer, in any order. `problems`
    counts what this path sees; decode() also judges values and may count more.
    """
    offsets = np.ascontiguousarray(offsets, np.int64)
    lengths = np.ascontiguousarray(lengths, np.int64)
    count = len(offsets)
    frames = FrameRows(
        ok=np.zeros(count, np.bool_),
        mn=np.zeros((count, MN_BYTES), np.uint8),
        cn=np.zeros(count, np.int16),
        part=np.zeros(count, np.int16),
        key_time=np.full(count, -1, np.int64),
        flag=np.full(count, -1, np.int16),
        edition=np.zeros(count, np.int16),
        payload_hash=np.zeros(count, np.int64),
        problems=np.zeros(count, np.int16),
        readings=np.zeros(count, np.int16),
    )
    # Untouched pages of an empty array cost nothing, so the bound may be generous.
    capacity = int(np.maximum(lengths, 0).sum()) // _SHORTEST_ROW + 2 * count + 1
    rows = ReadingRows(
        frame=np.empty(capacity, np.int32),
        interval_key=np.empty(capacity, np.int16),
        code=np.empty((capacity, CODE_BYTES), np.uint8),
        numbers=np.empty((CONVERTED_MIN, capacity), np.float64),
        flag=np.empty((capacity, FLAG_BYTES), np.uint8),
    )
    used = decode_frames(np.frombuffer(buffer, np.uint8), offsets, lengths, frames, rows)
    return _frame_columns(frames), _reading_columns(rows, used)


def _frame_columns(frames: FrameRows) -> FrameColumns:
    return FrameColumns(
        ok=frames.ok,
        mn=frames.mn.view(f"S{MN_BYTES}")[:, 0],
        cn=frames.cn,
        part=frames.part,
        key_time=frames.key_time,
        flag=frames.flag,
        edition=frames.edition,
        crc_kind=np.where(frames.ok, CrcKind.HJ212, CrcKind.WRONG).astype(np.int16),
        payload_hash=frames.payload_hash,
        problems=frames.problems,
        readings=frames.readings,
    )


def _reading_columns(rows: ReadingRows, used: int) -> ReadingColumns:
    return ReadingColumns(
        frame=rows.frame[:used],
        interval_key=rows.interval_key[:used],
        code=rows.code[:used].view(f"S{CODE_BYTES}")[:, 0],
        avg=rows.numbers[AVG, :used],
        min=rows.numbers[MIN, :used],
        max=rows.numbers[MAX, :used],
        converted_avg=rows.numbers[CONVERTED_AVG, :used],
        total=rows.numbers[TOTAL, :used],
        flag=rows.flag[:used].view(f"S{FLAG_BYTES}")[:, 0],
    )
