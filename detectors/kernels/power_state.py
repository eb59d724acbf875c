"""On or off, from the power of a machine."""

from __future__ import annotations

import numpy as np
from numba import njit

ON = 1
OFF = 0
UNKNOWN = -1


@njit(cache=True, nogil=True, fastmath=False)
def two_levels(ordered):  # type: ignore[no-untyped-def]
    """Otsu's cut (1979) of sorted finite values, exact: (cut, mean below, mean above, share below).

    The cut is the midpoint of the neighbours that make the variance between the two classes largest, the
    first of equals. Fewer than two distinct values give (v, v, v, 0), no values NaN.
    """
    n = ordered.size
    if n == 0 or ordered[0] == ordered[n - 1]:
        level = ordered[0] if n else np.nan
        return level, level, level, 0.0
    total = 0.0
    for v in ordered:
        total += v
    best = -1.0
    at = 1
    best_left = 0.0
    left = 0.0
    for i in range(1, n):
        left += ordered[i - 1]
        if ordered[i] == ordered[i - 1]:
            continue
        gap = left / i - (total - left) / (n - i)
        between = i * (n - i) * gap * gap
        if between > best * (1.0 + 1e-12):
            best, at, best_left = between, i, left
    cut = 0.5 * (ordered[at - 1] + ordered[at])
    return cut, best_left / at, (total - best_left) / (n - at), at / n


@njit(cache=True, nogil=True, fastmath=False)
def power_states(kw, on_kw, off_kw, dwell):  # type: ignore[no-untyped-def]
    """(n,) float64 kW to (n,) int8 ON / OFF / UNKNOWN by two thresholds and a dwell of `dwell` intervals.

    ON begins at kW >= on_kw, OFF at kW <= off_kw; between them the state before goes on. A change counts once
    it has lasted `dwell` intervals and then from its first one; a shorter one keeps the state before. NaN is
    UNKNOWN, and what follows it starts anew: the first value between the thresholds is ON.
    """
    n = kw.size
    states = np.full(n, np.int8(UNKNOWN))
    i = 0
    while i < n:
        if np.isnan(kw[i]):
            i += 1
            continue
        state = OFF if kw[i] <= off_kw else ON
        while i < n and not np.isnan(kw[i]):
            other = kw[i] >= on_kw if state == OFF else kw[i] <= off_kw
            if other:
                j = i + 1
                while j < n and not np.isnan(kw[j]) and j - i < dwell:
                    if (state == OFF and kw[j] <= off_kw) or (state == ON and kw[j] >= on_kw):
                        break
                    j += 1
                if j - i >= dwell:
                    state = ON - state
                else:
                    while i < j:
                        states[i] = state
                        i += 1
                    continue
            states[i] = state
            i += 1
    return states
