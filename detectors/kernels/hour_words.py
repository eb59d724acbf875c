"""Hour words: minute m of a clock hour is bit m of one 64-bit word, one word per hour and plane.

Setting a bit twice changes nothing, so doubled and late rows cannot count twice; `popcount >= 45` is the hour
rule of HJ 75-2017, and a quarter is 2,160 words a plane.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: What an interval or an hour counts as for the capture rate; ABSENT: there is no row.
LOST = 0
CAPTURED = 1
STOPPED = 2
ABSENT = 3

#: Planes of the words.
RECEIVED_PLANE = 0
CAPTURED_PLANE = 1
STOPPED_PLANE = 2

MINUTE_US = 60_000_000


@njit(cache=True, nogil=True, fastmath=False)
def pack_hour_words(kinds, start_us, step_us, hours):  # type: ignore[no-untyped-def]
    """(n,) uint8 kinds of equal intervals to (3, hours) uint64 words of received, captured, stopped minutes.

    Interval i starts `start_us + i * step_us` µs after the first hour and covers its length, at least the
    minute it starts in. Intervals outside the hours are left out.
    """
    words = np.zeros((3, hours), np.uint64)
    length = max(1, step_us // MINUTE_US)
    for i in range(kinds.size):
        kind = kinds[i]
        if kind == ABSENT:
            continue
        first = (start_us + i * step_us) // MINUTE_US
        for minute in range(first, first + length):
            hour = minute // 60
            if hour < 0 or hour >= hours:
                continue
            bit = np.uint64(1) << np.uint64(minute - 60 * hour)
            words[RECEIVED_PLANE, hour] |= bit
            if kind == CAPTURED:
                words[CAPTURED_PLANE, hour] |= bit
            elif kind == STOPPED:
                words[STOPPED_PLANE, hour] |= bit
    return words


@njit(cache=True, nogil=True, fastmath=False)
def popcount(word):  # type: ignore[no-untyped-def]
    """Set bits of a uint64."""
    w = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    w = (w & np.uint64(0x3333333333333333)) + ((w >> np.uint64(2)) & np.uint64(0x3333333333333333))
    w = (w + (w >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((w * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True, fastmath=False)
def judge_hours(words, hour_kinds, least_minutes):  # type: ignore[no-untyped-def]
    """(3, h) words and (h,) uint8 kinds of the hour rows to (h,) uint8 LOST, CAPTURED or STOPPED.

    With minutes received, an hour needs `least_minutes` captured ones, else as many stopped ones to be a
    stopped hour. A mixed hour that has neither is stopped when its hour row says so or, without a row, when
    captured and stopped minutes together are enough and most of them are stopped. Without minutes the hour
    row decides; without both the hour is lost.
    """
    hours = hour_kinds.size
    states = np.zeros(hours, np.uint8)
    for h in range(hours):
        row = hour_kinds[h]
        if words[RECEIVED_PLANE, h] == np.uint64(0):
            states[h] = LOST if row == ABSENT else row
            continue
        captured = popcount(words[CAPTURED_PLANE, h])
        stopped = popcount(words[STOPPED_PLANE, h] & ~words[CAPTURED_PLANE, h])
        if captured >= least_minutes:
            states[h] = CAPTURED
        else:
            mixed = row == ABSENT and captured + stopped >= least_minutes and stopped > captured
            states[h] = STOPPED if stopped >= least_minutes or row == STOPPED or mixed else LOST
    return states
