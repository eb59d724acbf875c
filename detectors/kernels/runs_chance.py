"""How long do runs get by chance? The tail of run lengths, learned from the outlet's own series.

In the manner of Karlin & Altschul 1990: chance runs of length >= L are expected n·P1·rho^(L-1) times, with
both counted from the series itself. One rho is not enough where ties come in spells, so the chance of going
on is counted at each length while runs are plenty and bounded from above beyond.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: A chance of going on is taken as counted from this many runs; beyond, the bound is used.
TRUSTED = 100
#: With this many runs a heavier tail is taken at its word, without a bound.
FEW = 30
#: Runs longer than the tenth longest teach nothing: a few of them may be the very acts looked for.
CENSORED = 10
#: The model is not believed below this many expected runs: something nobody thought of is likelier.
LEAST_CREDIBLE = 1e-12
#: Standard errors of the upper bound on the chance of going on.
ERRORS = 2.0


@njit(cache=True, nogil=True, fastmath=False)
def length_counts(lengths, longest):  # type: ignore[no-untyped-def]
    """(longest + 2,) int64: entry l is the number of runs of l or more points (entry 0 is that of 1)."""
    counts = np.zeros(longest + 2, np.int64)
    for length in lengths:
        counts[min(length, longest)] += 1
    for l in range(longest - 1, -1, -1):  # noqa: E741
        counts[l] += counts[l + 1]
    return counts


@njit(cache=True, nogil=True, fastmath=False)
def going_on(counts):  # type: ignore[no-untyped-def]
    """Upper bound on the chance that a long run goes on by one more point, from `length_counts`.

    The largest, over starting lengths k, of the pooled share of points that were followed by another (two
    points added to the tries and one to the successes, so that a few runs prove little): plus ERRORS standard
    errors for k = 1 and where TRUSTED runs reach k, as it stands where FEW do.
    """
    cap = 1
    while cap + 1 < counts.size and counts[cap + 1] >= CENSORED:
        cap += 1
    worst = 0.0
    for k in range(1, counts.size):
        if k > 1 and counts[k] < FEW:
            break
        tried = 2.0
        went = 1.0
        for l in range(k, max(cap, k + 1)):  # noqa: E741
            tried += counts[l]
            went += counts[l + 1] if l + 1 < counts.size else 0
        share = went / tried
        errors = ERRORS if k == 1 or counts[k] >= TRUSTED else 0.0
        worst = max(worst, share + errors * np.sqrt(share * (1.0 - share) / tried))
    return min(worst, 1.0)


@njit(cache=True, nogil=True, fastmath=False)
def expected_runs(counts, length):  # type: ignore[no-untyped-def]
    """Runs of `length` points or more expected by chance in as much data as was counted.

    The count itself while at least TRUSTED runs are that long; then one run more than counted times
    `going_on` for each further point, never below LEAST_CREDIBLE.
    """
    reach = 1
    while reach + 1 < counts.size and counts[reach + 1] >= TRUSTED:
        reach += 1
    if length <= reach:
        return float(counts[length])
    return max((counts[reach] + 1.0) * going_on(counts) ** (length - reach), LEAST_CREDIBLE)
