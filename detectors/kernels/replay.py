"""Repeats: the same ticks again, or the same plus a constant, anywhere in a set of series.

Series lie end to end in one array of ticks, GAP for missing points and more than `bridge` GAPs between two,
so that no repeat reaches from one into the next.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors.kernels.ticks import GAP


@njit(cache=True, nogil=True, fastmath=False)
def _mix(h):  # type: ignore[no-untyped-def]
    """Spread the bits of a 64-bit hash (finaliser of splitmix64)."""
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(cache=True, nogil=True, fastmath=False)
def reach(ticks, source, copy, offset, step, bridge):  # type: ignore[no-untyped-def]
    """How far ticks[copy + k] == ticks[source + k] + offset holds from k = 0 on, in direction `step` (±1).

    A GAP on either side agrees with anything, at most `bridge` of them in a row. Returns (places to the last
    agreeing pair of values inclusive, number of agreeing pairs).
    """
    far = 0
    pairs = 0
    gaps = 0
    k = 0
    while source + k >= 0 and copy + k < ticks.size:
        a = ticks[source + k]
        b = ticks[copy + k]
        if a == GAP or b == GAP:
            gaps += 1
            if gaps > bridge:
                break
        elif np.int64(b) - np.int64(a) == offset:
            gaps = 0
            pairs += 1
            far = abs(k) + 1
        else:
            break
        k += step
    return far, pairs


@njit(cache=True, nogil=True, fastmath=False)
def repeats(words, ticks, window, least_changes, bridge, most):  # type: ignore[no-untyped-def]
    """Repeats of at least `window` words: (k, 4) int64 of source, copy, places and agreeing pairs of ticks.

    words: (n,) int32, the ticks themselves (exact repeats) or their differences (repeats plus a constant).
    A polynomial rolling hash (Karp & Rabin 1987) finds for each window the first one equal to it, every hit
    is verified word by word and extended on the ticks in both directions (`reach`), and hits on a diagonal
    already covered are not reported again. Windows with a GAP or fewer than `least_changes` changes of value
    are no seeds: a flat stretch repeats itself. At most `most` rows, earliest copies first.
    """
    n = words.size
    size = 64
    while size < 2 * n:
        size *= 2
    mask = np.uint64(size - 1)
    table = np.full(size, np.int32(-1))
    covered = np.zeros(n + 1, np.int32)  # by lag: end of the copy found last on that diagonal
    out = np.empty((most, 4), np.int64)
    base = np.uint64(0x9E3779B97F4A7C15)
    top = np.uint64(1)
    for _ in range(window):
        top *= base
    h = np.uint64(0)
    clean = changes = found = 0
    for i in range(n):
        if words[i] == GAP:
            h = np.uint64(0)
            clean = changes = 0
            continue
        h = h * base + np.uint64(np.int64(words[i]))
        clean += 1
        if clean > window:
            h -= top * np.uint64(np.int64(words[i - window]))
        changes += clean > 1 and ticks[i] != ticks[i - 1]
        changes -= clean > window and ticks[i - window + 1] != ticks[i - window]
        a = i - window + 1
        if clean < window or changes < least_changes:
            continue
        slot = _mix(h) & mask
        p = table[slot]
        while p >= 0:
            k = 0
            while k < window and words[p + k] == words[a + k]:
                k += 1
            if k == window:
                break
            slot = (slot + np.uint64(1)) & mask
            p = table[slot]
        if p < 0:
            table[slot] = a
        elif covered[a - p] <= a and found < most:
            offset = np.int64(ticks[a]) - np.int64(ticks[p])
            back, before = reach(ticks, p, a, offset, -1, bridge)
            far, pairs = reach(ticks, p, a, offset, 1, bridge)
            covered[a - p] = a + far
            out[found, 0], out[found, 1] = p - back + 1, a - back + 1
            out[found, 2], out[found, 3] = far + back - 1, pairs + before - 1
            found += 1
    return out[:found].copy()


@njit(cache=True, nogil=True, fastmath=False)
def agreement_counts(first, second, lags, bridge, longest):  # type: ignore[no-untyped-def]
    """Chance agreement of two series at given lags, to learn how long honest repeats get.

    Compares first[i] with second[i + lag]. Runs of agreement go on over at most `bridge` GAPs. Returns
    (pairs compared by lag (k,), runs by lag and length (k, longest + 1)); longer runs count as `longest`.
    """
    compared = np.zeros(lags.size, np.int64)
    runs = np.zeros((lags.size, longest + 1), np.int64)
    for l in range(lags.size):  # noqa: E741
        lag = lags[l]
        length = 0
        gaps = 0
        for i in range(max(0, -lag), min(first.size, second.size - lag)):
            a = first[i]
            b = second[i + lag]
            if a == GAP or b == GAP:
                gaps += 1
                if gaps <= bridge:
                    continue
                same = False
            else:
                gaps = 0
                compared[l] += 1
                same = a == b
            if same:
                length += 1
            elif length > 0:
                runs[l, min(length, longest)] += 1
                length = 0
        if length > 0:
            runs[l, min(length, longest)] += 1
    return compared, runs
