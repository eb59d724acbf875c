"""Kernels of the batch path: one pass over a frame's bytes, rows out; every doubt refuses the frame."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ingest.hj212.fnv import fnv1a_range
from ingest.hj212.model import Floats, Int16s, Int32s, Int64s, UInt8s
from ingest.hj212.scan import (
    BYTE_KINDS,
    DASH,
    FLAG,
    OTHER,
    REFUSED,
    SEPARATOR,
    TOTAL,
    crc_by_four,
    decimal,
    hex_digit,
    slot_of,
    time_us,
    value_end,
    whole_number,
)

MN_BYTES, CODE_BYTES, FLAG_BYTES = 24, 12, 4
_CODES_PER_FRAME = 128
_AMPERSAND, _EQUALS, _SEMICOLON, _DASH, _SLASH = 38, 61, 59, 45, 47
#: 2024-01-01 in Shanghai, as head.FIRST_2025_FRAME.
_FIRST_2025_US = 1_704_038_400_000_000

# Places in the scratch array a frame is read into.
(_QN_US, _ST_LENGTH, _CN, _PW_LENGTH, _MN_START, _MN_LENGTH, _FLAG, _PNUM, _PNO, _RF) = range(10)
(_DATA_US, _SHAPE_2017, _PROBLEMS, _ROWS) = range(10, 14)
SCRATCH = 14


class FrameRows(NamedTuple):
    """Column arrays the kernel fills, row i for frame i; texts as bytes, NUL padded."""

    ok: npt.NDArray[np.bool_]
    mn: UInt8s  # (n, 24)
    cn: Int16s
    part: Int16s
    key_time: Int64s
    flag: Int16s
    edition: Int16s
    payload_hash: Int64s
    problems: Int16s
    readings: Int16s


class ReadingRows(NamedTuple):
    """Column arrays for readings, as long as the buffer could need."""

    frame: Int32s
    interval_key: Int16s
    code: UInt8s  # (capacity, 12)
    numbers: Floats  # (7, capacity), by slot
    flag: UInt8s  # (capacity, 4)


@numba.njit(cache=True, nogil=True)
def decode_frames(
    buffer: UInt8s, offsets: Int64s, lengths: Int64s, frames: FrameRows, rows: ReadingRows
) -> int:
    """Read all frames; the number of reading rows written. A refused frame has ok False and no rows."""
    scratch = np.empty(SCRATCH, np.int64)
    codes = np.empty((_CODES_PER_FRAME, 2), np.uint64)
    row = 0
    for i in range(len(offsets)):
        start, end = offsets[i], offsets[i] + lengths[i]
        scratch[:] = REFUSED
        scratch[_PROBLEMS] = scratch[_SHAPE_2017] = scratch[_ROWS] = 0
        segment_start, segment_end = start + 6, _segment_end(buffer, start, end, scratch)
        if segment_end == REFUSED:
            continue
        area = _head(buffer, segment_start, segment_end - 2, scratch)
        if area == REFUSED or not _area(buffer, area, segment_end - 2, scratch, codes, rows, row):
            continue
        if not _finish(buffer, scratch, frames, rows, row, i):
            continue
        if segment_end - 2 - area > 950:
            frames.problems[i] += 1
        frames.payload_hash[i] = fnv1a_range(buffer, area, segment_end - 2)
        frames.ok[i] = True
        row += scratch[_ROWS]
    return row


@numba.njit(cache=True, nogil=True)
def _segment_end(buffer: UInt8s, start: int, end: int, scratch: Int64s) -> int:
    """End of the segment of a frame with header, four digits of right length and right CRC, else REFUSED."""
    if end - start < 18 or end > len(buffer) or start < 0 or buffer[start] != 35 or buffer[start + 1] != 35:
        return REFUSED
    length = whole_number(buffer, start + 2, start + 6)
    crc_at: int = start + 6 + length
    if length < 8 or crc_at + 4 > end or end - crc_at > 6:
        return REFUSED
    if buffer[crc_at - 1] != _AMPERSAND or buffer[crc_at - 2] != _AMPERSAND:
        return REFUSED
    given = 0
    lower_case = False
    for i in range(crc_at, crc_at + 4):
        digit = hex_digit(buffer[i])
        if digit == REFUSED:
            return REFUSED
        lower_case = lower_case or buffer[i] > 96
        given = 16 * given + digit
    if given != crc_by_four(buffer, start + 6, crc_at):
        return REFUSED
    tail = end - crc_at - 4
    if tail == 1 and buffer[end - 1] != 13 and buffer[end - 1] != 10:
        return REFUSED
    if tail == 2 and (buffer[end - 2] != 13 or buffer[end - 1] != 10):
        return REFUSED
    scratch[_PROBLEMS] += np.int64(lower_case) + np.int64(tail != 2) + np.int64(length > 1024)
    return crc_at


@numba.njit(cache=True, nogil=True)
def _head(buffer: UInt8s, at: int, end: int, scratch: Int64s) -> int:
    """Read the head up to `CP=&&`; start of the data area, or REFUSED."""
    while at + 5 <= end:
        name_end = at
        while name_end < end and 65 <= buffer[name_end] <= 122:
            name_end += 1
        if name_end + 1 >= end or buffer[name_end] != _EQUALS:
            return REFUSED
        value = name_end + 1
        if name_end - at == 2 and buffer[at] == 67 and buffer[at + 1] == 80:  # CP
            opened = value + 2 <= end and buffer[value] == _AMPERSAND and buffer[value + 1] == _AMPERSAND
            return value + 2 if opened else REFUSED
        stop = value_end(buffer, value, end)
        if stop < 0 or stop == end or buffer[stop] != _SEMICOLON:
            return REFUSED
        if not _head_field(buffer, at, name_end, value, stop, scratch):
            return REFUSED
        at = stop + 1
    return REFUSED


@numba.njit(cache=True, nogil=True)
def _head_field(buffer: UInt8s, at: int, name_end: int, value: int, stop: int, scratch: Int64s) -> bool:
    """Store one head field; False when it is unknown, repeated or not as the standard writes it."""
    first, second, size = buffer[at], buffer[at + 1], name_end - at
    length = stop - value
    place, number = REFUSED, REFUSED
    if size == 2 and first == 81 and second == 78:  # QN
        place, number = _QN_US, time_us(buffer, value, 17) if length == 17 else REFUSED
    elif size == 2 and first == 83 and second == 84:  # ST
        place, number = _ST_LENGTH, length
    elif size == 2 and first == 67 and second == 78:  # CN
        place, number = _CN, whole_number(buffer, value, stop) if length == 4 else REFUSED
    elif size == 2 and first == 80 and second == 87:  # PW
        place, number = _PW_LENGTH, length
    elif size == 2 and first == 77 and second == 78:  # MN
        place, number = _MN_LENGTH, length if 1 <= length <= MN_BYTES else REFUSED
        scratch[_MN_START] = value
    elif size == 2 and first == 82 and second == 70:  # RF
        place, number = _RF, whole_number(buffer, value, stop)
    elif size == 4 and first == 70 and second == 108 and buffer[at + 2] == 97 and buffer[at + 3] == 103:
        place, number = _FLAG, whole_number(buffer, value, stop)
    elif size == 4 and first == 80 and second == 78 and buffer[at + 2] == 85 and buffer[at + 3] == 77:
        place, number = _PNUM, whole_number(buffer, value, stop)
    elif size == 3 and first == 80 and second == 78 and buffer[at + 2] == 79:
        place, number = _PNO, whole_number(buffer, value, stop)
    if place == REFUSED or number == REFUSED or scratch[place] != REFUSED:
        return False
    scratch[place] = number
    return True


@numba.njit(cache=True, nogil=True)
def _area(
    buffer: UInt8s,
    at: int,
    end: int,
    scratch: Int64s,
    codes: npt.NDArray[np.uint64],
    rows: ReadingRows,
    row: int,
) -> bool:
    """Read `name=value` items into rows from `row` on; False refuses the frame."""
    known, code_start, code_length = 0, 0, 0  # codes seen, the current one
    filled = 0  # slots of the current code, as bits
    row -= 1
    first_row = row
    empty = False
    while at < end:
        dash, i = REFUSED, at
        while i < end and BYTE_KINDS[buffer[i]] <= DASH:
            if buffer[i] == _DASH:
                dash = i
            i += 1
        if i == at and BYTE_KINDS[buffer[i]] == SEPARATOR:
            empty = True
            at += 1
            continue
        value = i + 1
        if value >= end or buffer[i] != _EQUALS or buffer[value] == _SLASH:
            return False
        stop = value_end(buffer, value, end)
        if stop == REFUSED:
            return False
        if dash == REFUSED:
            if not _plain_item(buffer, at, i, value, stop, scratch):
                return False
        else:
            length = dash - at
            if length != code_length or not _same(buffer, at, code_start, length):
                if not 1 <= length <= CODE_BYTES or not _new_code(buffer, at, length, known, codes):
                    return False
                known, code_start, code_length, filled = known + 1, at, length, 0
            slot = slot_of(buffer, dash + 1, i)
            if slot == REFUSED or (slot != OTHER and filled >> slot & 1):
                return False
            if slot != OTHER:
                if filled == 0:
                    row += 1
                    _open_row(buffer, code_start, code_length, rows, row)
                    _note_shape(buffer, code_start, code_length, scratch)
                filled |= 1 << slot
                if not _put(buffer, value, stop, slot, rows, row):
                    return False
            else:
                _note_shape(buffer, at, length, scratch)
        at = stop + 1
        empty = empty or (at == end)
    scratch[_PROBLEMS] += np.int64(empty)
    scratch[_ROWS] = row - first_row
    return True


@numba.njit(cache=True, nogil=True)
def _plain_item(buffer: UInt8s, at: int, name_end: int, value: int, stop: int, scratch: Int64s) -> bool:
    """An item without a code: DataTime is read, QN and Flag are for the readable path, others pass."""
    size = name_end - at
    if size == 8 and buffer[at] == 68 and buffer[at + 4] == 84 and buffer[at + 1] == 97:
        if stop - value != 14 or scratch[_DATA_US] != REFUSED or not _is_data_time(buffer, at):
            return False
        scratch[_DATA_US] = time_us(buffer, value, 14)
        return bool(scratch[_DATA_US] != REFUSED)
    if size == 2 and buffer[at] == 81:  # QN, in answers of 2005
        return False
    return not (size == 4 and buffer[at] == 70)  # Flag without a code


@numba.njit(cache=True, nogil=True)
def _is_data_time(buffer: UInt8s, at: int) -> bool:
    return bool(
        buffer[at + 2] == 116
        and buffer[at + 3] == 97
        and buffer[at + 5] == 105
        and buffer[at + 6] == 109
        and buffer[at + 7] == 101
    )


@numba.njit(cache=True, nogil=True)
def _same(buffer: UInt8s, left: int, right: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - numba compiles no generators
        if buffer[left + i] != buffer[right + i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _new_code(buffer: UInt8s, at: int, length: int, known: int, codes: npt.NDArray[np.uint64]) -> bool:
    """Remember a code; False when it stood earlier in the frame or there are too many."""
    if known == _CODES_PER_FRAME:
        return False
    high, low = np.uint64(0), np.uint64(0)
    for i in range(length):
        byte = np.uint64(buffer[at + i])
        if i < 8:
            high = (high << np.uint64(8)) | byte
        else:
            low = (low << np.uint64(8)) | byte
    for k in range(known):
        if codes[k, 0] == high and codes[k, 1] == low:
            return False
    codes[known, 0], codes[known, 1] = high, low
    return True


@numba.njit(cache=True, nogil=True)
def _open_row(buffer: UInt8s, code_start: int, code_length: int, rows: ReadingRows, row: int) -> None:
    for i in range(CODE_BYTES):
        rows.code[row, i] = buffer[code_start + i] if i < code_length else 0
    for slot in range(TOTAL + 1):
        rows.numbers[slot, row] = np.nan
    for i in range(FLAG_BYTES):
        rows.flag[row, i] = 0


@numba.njit(cache=True, nogil=True)
def _note_shape(buffer: UInt8s, start: int, length: int, scratch: Int64s) -> None:
    """A letter, five digits and a dash mark the 2017 code table where Flag is missing (head._by_shape)."""
    if length < 6 or not 97 <= buffer[start] <= 122 or buffer[start + 6] != _DASH:
        return
    for i in range(start + 1, start + 6):
        if not 48 <= buffer[i] <= 57:
            return
    scratch[_SHAPE_2017] = 1


@numba.njit(cache=True, nogil=True)
def _put(buffer: UInt8s, value: int, stop: int, slot: int, rows: ReadingRows, row: int) -> bool:
    if slot == FLAG:
        if stop - value > FLAG_BYTES or stop == value:
            return False
        for i in range(stop - value):
            rows.flag[row, i] = buffer[value + i]
        return True
    number = decimal(buffer, value, stop)
    if slot <= TOTAL:
        rows.numbers[slot, row] = number
    return not np.isnan(number)


@numba.njit(cache=True, nogil=True)
def _finish(
    buffer: UInt8s, scratch: Int64s, frames: FrameRows, rows: ReadingRows, row: int, frame: int
) -> bool:
    """Check what the frame lacks as a whole and fill its row; False refuses it."""
    readings, flag, interval = scratch[_ROWS], scratch[_FLAG], _interval(scratch[_CN])
    if scratch[_CN] == REFUSED or scratch[_MN_LENGTH] == REFUSED or flag > 11 or scratch[_RF] > 1:
        return False
    if readings > 0 and (interval < 0 or scratch[_DATA_US] == REFUSED):
        return False
    key_time = scratch[_DATA_US] if scratch[_DATA_US] != REFUSED else scratch[_QN_US]
    edition = _edition(scratch)
    if edition == 2025 and flag >= 0 and key_time != REFUSED and key_time < _FIRST_2025_US:
        return False
    for i in range(MN_BYTES):
        inside = i < scratch[_MN_LENGTH]
        frames.mn[frame, i] = buffer[scratch[_MN_START] + i] if inside else 0
    frames.cn[frame] = scratch[_CN]
    frames.part[frame] = max(scratch[_PNO], 0)
    frames.key_time[frame] = key_time
    frames.flag[frame] = flag
    frames.edition[frame] = edition
    frames.problems[frame] = scratch[_PROBLEMS] + _head_problems(scratch, edition)
    frames.readings[frame] = readings
    for i in range(row, row + readings):
        rows.frame[i] = frame
        rows.interval_key[i] = interval
    return True


@numba.njit(cache=True, nogil=True)
def _interval(cn: int) -> int:
    """domain.clock.INTERVAL_KEYS of decode.INTERVALS, or REFUSED."""
    if cn == 2011:
        return 0
    if cn == 2051 or cn == 2111:
        return 1
    if cn == 2061:
        return 2
    return 3 if cn == 2031 else REFUSED


@numba.njit(cache=True, nogil=True)
def _edition(scratch: Int64s) -> int:
    if scratch[_FLAG] >= 0:
        bits = scratch[_FLAG] >> 2
        return 2005 if bits == 0 else (2017 if bits == 1 else 2025)
    if scratch[_RF] == 1:
        return 2025
    return 2017 if scratch[_MN_LENGTH] == MN_BYTES or scratch[_SHAPE_2017] == 1 else 2005


@numba.njit(cache=True, nogil=True)
def _head_problems(scratch: Int64s, edition: int) -> int:
    """As many as head.report_head would find."""
    flag, pnum, pno = scratch[_FLAG], scratch[_PNUM], scratch[_PNO]
    numbered = pnum >= 0 or pno >= 0
    announced = flag >= 0 and flag & 2 == 2
    found = 1 if scratch[_QN_US] == REFUSED and edition != 2005 else 0
    found += 1 if scratch[_ST_LENGTH] != 2 else 0
    found += 1 if scratch[_PW_LENGTH] != 6 else 0
    found += 1 if scratch[_MN_LENGTH] != (14 if edition == 2005 else MN_BYTES) else 0
    found += 1 if announced != numbered else 0
    found += 1 if numbered and not 1 <= pno <= pnum else 0
    return found
