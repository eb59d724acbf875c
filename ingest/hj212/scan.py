"""Kernels of the batch path, small parts: numbers, times and names out of a byte buffer.

They read a strict subset of what the readable path reads. On anything else they refuse, and the caller asks
the readable path; so there is one place where tolerance is decided.
"""

from __future__ import annotations

import numba
import numpy as np

from ingest.hj212.crc import TABLE
from ingest.hj212.model import UInt8s
from ingest.hj212.numbers import VALUE_LIMIT

REFUSED = -1
#: Slots of a reading, in the order the kernels number them; FLAG and OTHER are no numbers.
AVG, MIN, MAX, CONVERTED_AVG, TOTAL, CONVERTED_MIN, CONVERTED_MAX, FLAG, OTHER = range(9)

_POWERS = np.array([10.0**n for n in range(23)])  # exact as doubles
_EXACT = 1 << 53
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)
_MONTH_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_SHANGHAI_SECONDS = 8 * 3600

# Annex A drops the low byte of its register, so its state is the high byte and its step is linear over
# GF(2): four bytes at a time need one dependent look-up instead of four.
_STEP1 = (TABLE >> 8).astype(np.uint8)
_STEP2 = _STEP1[_STEP1]
_STEP3 = _STEP1[_STEP2]
_STEP4 = _STEP1[_STEP3]


@numba.njit(cache=True, nogil=True)
def crc_by_four(buffer: UInt8s, start: int, end: int) -> int:
    """The same as crc_range, for `end > start`."""
    state = np.uint8(0xFF)
    i = start
    while i + 4 < end:
        state = (
            _STEP4[state ^ buffer[i]] ^ _STEP3[buffer[i + 1]] ^ _STEP2[buffer[i + 2]] ^ _STEP1[buffer[i + 3]]
        )
        i += 4
    while i < end - 1:
        state = _STEP1[state ^ buffer[i]]
        i += 1
    return np.int64(TABLE[state ^ buffer[i]])  # type: ignore[return-value]


#: What a byte is to the grammar of head and data area.
PLAIN, DASH, EQUALS, SEPARATOR, ODD = range(5)
BYTE_KINDS = np.full(256, ODD, np.uint8)  # blanks, control characters, & and everything beyond ASCII
BYTE_KINDS[33:127] = PLAIN
BYTE_KINDS[[ord("-"), ord("="), ord(";"), ord(","), ord("&")]] = (DASH, EQUALS, SEPARATOR, SEPARATOR, ODD)


@numba.njit(cache=True, nogil=True)
def byte_at(buffer: UInt8s, at: int) -> int:
    """One byte as int64: numba makes a float of uint64 and int64 together."""
    return np.int64(buffer[at])  # type: ignore[return-value]


@numba.njit(cache=True, nogil=True)
def value_end(buffer: UInt8s, at: int, end: int) -> int:
    """Position of the separator after a value, `end` where none follows, REFUSED on an odd byte in it."""
    while at < end:
        kind = BYTE_KINDS[buffer[at]]
        if kind >= EQUALS:
            return at if kind == SEPARATOR else REFUSED
        at += 1
    return end


@numba.njit(cache=True, nogil=True)
def hex_digit(byte: int) -> int:
    """0 to 15, or REFUSED."""
    if 48 <= byte <= 57:
        return byte - 48
    if 65 <= byte <= 70:
        return byte - 55
    if 97 <= byte <= 102:
        return byte - 87
    return REFUSED


@numba.njit(cache=True, nogil=True)
def whole_number(buffer: UInt8s, start: int, end: int) -> int:
    """An unsigned number of 1 to 4 digits, or REFUSED."""
    if not 1 <= end - start <= 4:
        return REFUSED
    value = 0
    for i in range(start, end):
        digit = byte_at(buffer, i) - 48
        if not 0 <= digit <= 9:
            return REFUSED
        value = 10 * value + digit
    return value


@numba.njit(cache=True, nogil=True)
def decimal(buffer: UInt8s, start: int, end: int) -> float:
    """A decimal without exponent, bit for bit Python's float(), or NaN when refused.

    Exact while the digits make at most 2**53 and at most 22 stand after the point: then both operands of
    the one division are exact doubles (Clinger 1990, the fast path).
    """
    i = start
    negative = False
    if i < end and (buffer[i] == 45 or buffer[i] == 43):
        negative = buffer[i] == 45
        i += 1
    mantissa = 0
    digits = 0
    point = -1
    while i < end:
        byte = byte_at(buffer, i)
        if 48 <= byte <= 57:
            mantissa = 10 * mantissa + (byte - 48)
            digits += 1
        elif byte == 46 and point < 0:
            point = digits
        else:
            return np.nan
        i += 1
    if not 1 <= digits <= 18 or mantissa > _EXACT:
        return np.nan
    value = np.float64(mantissa)
    if point >= 0:
        value = value / _POWERS[digits - point]
    if value >= VALUE_LIMIT:
        return np.nan
    return -value if negative else value


@numba.njit(cache=True, nogil=True)
def time_us(buffer: UInt8s, start: int, digits: int) -> int:
    """14 or 17 digits on the clock of Shanghai to µs since 1970 UTC; REFUSED before 1970 and when no time."""
    for i in range(start, start + digits):
        if not 48 <= buffer[i] <= 57:
            return REFUSED
    year = 100 * _two(buffer, start) + _two(buffer, start + 2)
    month, day = _two(buffer, start + 4), _two(buffer, start + 6)
    hour, minute, second = _two(buffer, start + 8), _two(buffer, start + 10), _two(buffer, start + 12)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1971 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return REFUSED
    if day < 1 or day > _MONTH_DAYS[month - 1] + (1 if leap and month == 2 else 0):
        return REFUSED
    before = year - 1
    days = 365 * (year - 1970) + before // 4 - before // 100 + before // 400 - 477
    days += int(_DAYS_BEFORE[month - 1]) + (1 if leap and month > 2 else 0) + day - 1
    seconds: int = 86400 * days + 3600 * hour + 60 * minute + second - _SHANGHAI_SECONDS
    milliseconds: int = 0
    if digits == 17:
        milliseconds = 10 * _two(buffer, start + 14) + byte_at(buffer, start + 16) - 48
    microseconds: int = 1_000_000 * seconds + 1000 * milliseconds
    return microseconds


@numba.njit(cache=True, nogil=True)
def _two(buffer: UInt8s, at: int) -> int:
    number: int = 10 * byte_at(buffer, at) + byte_at(buffer, at + 1) - 11 * 48
    return number


def _packed(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


_RTD, _AVG_, _MIN_, _MAX_, _COU = (_packed(n) for n in ("Rtd", "Avg", "Min", "Max", "Cou"))
_FLAG_ = _packed("Flag")
_ZSRTD, _ZSAVG, _ZSMIN, _ZSMAX = (_packed(n) for n in ("ZsRtd", "ZsAvg", "ZsMin", "ZsMax"))
_KNOWN_LOWER = np.sort(
    np.array([_packed(n.lower()) for n in (
        "Rtd", "Avg", "Min", "Max", "Cou", "Flag", "ZsRtd", "ZsAvg", "ZsMin", "ZsMax",
    )], np.int64)
)  # fmt: skip


@numba.njit(cache=True, nogil=True)
def slot_of(buffer: UInt8s, start: int, end: int) -> int:
    """The slot a suffix names, OTHER for one we keep only as text, REFUSED for a known one in wrong case."""
    if not 3 <= end - start <= 5:
        return OTHER
    key = 0
    for i in range(start, end):
        key = (key << 8) | byte_at(buffer, i)
    if key == _RTD:
        return AVG
    if key == _AVG_:
        return AVG
    if key == _FLAG_:
        return FLAG
    if key == _ZSRTD:
        return CONVERTED_AVG
    if key == _ZSAVG:
        return CONVERTED_AVG
    if key == _MIN_:
        return MIN
    if key == _MAX_:
        return MAX
    if key == _COU:
        return TOTAL
    if key == _ZSMIN:
        return CONVERTED_MIN
    if key == _ZSMAX:
        return CONVERTED_MAX
    return REFUSED if _is_wrong_case(key) else OTHER


@numba.njit(cache=True, nogil=True)
def _is_wrong_case(key: int) -> bool:
    lower = key | 0x2020202020
    lower &= (1 << 40) - 1 if key >> 32 else ((1 << 32) - 1 if key >> 24 else (1 << 24) - 1)
    for known in _KNOWN_LOWER:  # noqa: SIM110 - numba compiles no generators
        if known == lower:
            return True
    return False
