"""Maximal runs of equal ticks.

Kernels take the usable points only: `ticks` (m,) int32 without gaps and `index` (m,) int64, the place of each
point on its grid. A run goes on over at most `longest_gap` missing places when the value is the same on both
sides; a longer gap ends it. Its length counts usable points, never the gaps inside.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=False)
def maximal_runs(ticks, index, longest_gap):  # type: ignore[no-untyped-def]
    """First point of every maximal run, and m as the last entry: run r is points [starts[r], starts[r+1])."""
    m = ticks.size
    starts = np.empty(m + 1, np.int64)
    runs = 0
    for i in range(m):
        if i == 0 or ticks[i] != ticks[i - 1] or index[i] - index[i - 1] > longest_gap + 1:
            starts[runs] = i
            runs += 1
    starts[runs] = m
    return starts[: runs + 1].copy()


@njit(cache=True, nogil=True, fastmath=False)
def long_runs(ticks, index, least, longest_gap):  # type: ignore[no-untyped-def]
    """The runs of at least `least` (>= 2) points: (k, 2) int64 of first point and end (exclusive).

    A run of `least` equals covers an adjacent pair whose second place is a multiple of least - 1, so only
    those pairs are looked at until one ties.
    """
    m = ticks.size
    found = np.empty((m // least + 1, 2), np.int64)
    runs = 0
    done = 0
    p = least - 1
    while p < m:
        if ticks[p] != ticks[p - 1]:
            p += least - 1
            continue
        a = p - 1
        while a > done and ticks[a - 1] == ticks[p]:
            a -= 1
        b = p + 1
        while b < m and ticks[b] == ticks[p]:
            b += 1
        start = a
        for i in range(a + 1, b + 1):  # the same value, cut where a gap is too long
            if i == b or index[i] - index[i - 1] > longest_gap + 1:
                if i - start >= least:
                    found[runs, 0] = start
                    found[runs, 1] = i
                    runs += 1
                start = i
        done = b
        while p < b:
            p += least - 1
    return found[:runs].copy()
