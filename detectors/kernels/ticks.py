"""Readings as integer ticks: the decimal grid of an instrument, read from its own values.

Equality, differences and hashes are exact on ticks, whatever the values went through as binary floats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ticks = npt.NDArray[np.int32]

#: What stands in an array of ticks for an interval without a usable value.
GAP = -(2**31)
#: No instrument reports finer than a millionth of its unit; computed means are cut there.
MOST_PLACES = 6


@njit(cache=True, nogil=True, fastmath=False)
def decimal_places(values, most):  # type: ignore[no-untyped-def]
    """Fewest decimals, at most `most`, that hold every finite value exactly and still fit int32 ticks.

    values: (n,) float64, NaN for gaps. A value is on the grid of d decimals when the double nearest to that
    decimal is the value itself: rint(v·10^d) / 10^d == v, exact for |v|·10^d below 2^50. Values off every
    grid (means computed elsewhere) give the finest grid that fits. Returns 0 for an empty series.
    """
    largest = 0.0
    for v in values:
        if np.isfinite(v):
            largest = max(largest, abs(v))
    places = 0
    scale = 1.0
    for v in values:
        if not np.isfinite(v):
            continue
        while places < most and largest * scale * 10.0 < 2147483647.0 and np.rint(v * scale) / scale != v:
            places += 1
            scale *= 10.0
    return places


@njit(cache=True, nogil=True, fastmath=False)
def to_ticks(values, places):  # type: ignore[no-untyped-def]
    """(n,) float64 to (n,) int32 ticks of 10^-places; NaN and what does not fit int32 become GAP."""
    scale = 1.0
    for _ in range(places):
        scale *= 10.0
    ticks = np.empty(values.size, np.int32)
    for i in range(values.size):
        tick = np.rint(values[i] * scale)
        ticks[i] = np.int32(tick) if abs(tick) < 2147483647.0 else np.int32(GAP)
    return ticks


@njit(cache=True, nogil=True, fastmath=False)
def tick_step(ticks):  # type: ignore[no-untyped-def]
    """The instrument's step in ticks: the greatest common divisor of all differences, 1 if nothing moves."""
    step = np.int64(0)
    first = np.int64(GAP)
    for t in ticks:
        if t == GAP:
            continue
        if first == GAP:
            first = np.int64(t)
        a = abs(np.int64(t) - first)
        while a != 0:
            a, step = step % a, a
        if step == 1:
            return 1
    return max(step, 1)


@njit(cache=True, nogil=True, fastmath=False)
def differences(ticks):  # type: ignore[no-untyped-def]
    """(n,) int32 steps to the tick before; GAP at 0, beside a gap and where the step does not fit int32."""
    steps = np.empty(ticks.size, np.int32)
    for i in range(ticks.size):
        steps[i] = GAP
        if i > 0 and ticks[i] != GAP and ticks[i - 1] != GAP:
            step = np.int64(ticks[i]) - np.int64(ticks[i - 1])
            if abs(step) < 2147483647:
                steps[i] = np.int32(step)
    return steps
