"""Naive twins of the kernels: the slowest obvious way to say the same, under the same name."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise, takewhile

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAP = -(2**31)


def decimal_places(values: Floats, most: int) -> int:
    """Decimals by the text of the decimal number itself."""
    finite = [float(v) for v in values if np.isfinite(v)]
    largest = max((abs(v) for v in finite), default=0.0)
    places = 0
    while (
        places < most
        and largest * 10 ** (places + 1) < 2147483647
        and any(float(f"{v:.{places}f}") != v for v in finite)
    ):
        places += 1
    return places


def to_ticks(values: Floats, places: int) -> list[int]:
    ticks = [round(v * 10**places) if np.isfinite(v) else GAP for v in values.tolist()]
    return [t if abs(t) < 2147483647 else GAP for t in ticks]


def tick_step(ticks: list[int]) -> int:
    known = [t for t in ticks if t != GAP]
    return math.gcd(*(t - known[0] for t in known)) or 1 if known else 1


def differences(ticks: list[int]) -> list[int]:
    steps = [b - a if GAP not in (a, b) else GAP for a, b in pairwise(ticks)]
    return [GAP, *(s if abs(s) < 2147483647 else GAP for s in steps)][: len(ticks)]


def maximal_runs(ticks: list[int], index: list[int], longest_gap: int) -> list[int]:
    return [
        i
        for i in range(len(ticks))
        if i == 0 or ticks[i] != ticks[i - 1] or index[i] - index[i - 1] - 1 > longest_gap
    ] + [len(ticks)]


def long_runs(ticks: list[int], index: list[int], least: int, longest_gap: int) -> list[list[int]]:
    return [[a, b] for a, b in pairwise(maximal_runs(ticks, index, longest_gap)) if b - a >= least]


def length_counts(lengths: list[int], longest: int) -> list[int]:
    return [sum(min(n, longest) >= k for n in lengths) for k in range(longest + 2)]


def going_on(counts: list[int]) -> float:
    cap = 1
    while cap + 1 < len(counts) and counts[cap + 1] >= 10:
        cap += 1
    bounds = []
    for k in takewhile(lambda k: k == 1 or counts[k] >= 30, range(1, len(counts))):
        lengths = range(k, max(cap, k + 1))
        tried = 2 + sum(counts[n] for n in lengths)
        share = (1 + sum(counts[n + 1] for n in lengths if n + 1 < len(counts))) / tried
        errors = 2 if k == 1 or counts[k] >= 100 else 0
        bounds.append(share + errors * math.sqrt(share * (1 - share) / tried))
    return min(1.0, max(bounds))


def expected_runs(counts: list[int], length: int) -> float:
    reach = max([1, *(n for n in range(2, len(counts)) if counts[n] >= 100)])
    if length <= reach:
        return float(counts[length])
    return max(1e-12, (counts[reach] + 1) * going_on(counts) ** (length - reach))


def reach(ticks: list[int], source: int, copy: int, offset: int, step: int, bridge: int) -> tuple[int, int]:
    far = pairs = gaps = 0
    for k in range(len(ticks)):
        p, a = source + step * k, copy + step * k
        if p < 0 or a >= len(ticks):
            break
        if GAP in (ticks[p], ticks[a]):
            gaps += 1
            if gaps > bridge:
                break
        elif ticks[a] - ticks[p] == offset:
            far, pairs, gaps = k + 1, pairs + 1, 0
        else:
            break
    return far, pairs


def repeats(
    words: list[int], ticks: list[int], window: int, least_changes: int, bridge: int, most: int
) -> list[list[int]]:
    """The first equal window by comparing with every window before."""
    found: list[list[int]] = []
    covered: dict[int, int] = {}
    first: dict[tuple[int, ...], int] = {}
    for a in range(len(words) - window + 1):
        key = tuple(words[a : a + window])
        changes = sum(ticks[i] != ticks[i - 1] for i in range(a + 1, a + window))
        if GAP in key or changes < least_changes:
            continue
        p = first.setdefault(key, a)
        if p != a and covered.get(a - p, 0) <= a and len(found) < most:
            offset = ticks[a] - ticks[p]
            back, before = reach(ticks, p, a, offset, -1, bridge)
            far, pairs = reach(ticks, p, a, offset, 1, bridge)
            covered[a - p] = a + far
            found.append([p - back + 1, a - back + 1, far + back - 1, pairs + before - 1])
    return found


def agreement_counts(
    first: list[int], second: list[int], lags: list[int], bridge: int, longest: int
) -> tuple[list[int], list[list[int]]]:
    compared, runs = [], []
    for lag in lags:
        pairs = [(first[i], second[i + lag]) for i in range(len(first)) if 0 <= i + lag < len(second)]
        compared.append(sum(GAP not in pair for pair in pairs))
        text = "".join("?" if GAP in pair else "=" if pair[0] == pair[1] else "x" for pair in pairs)
        text = re.sub(rf"\?{{{bridge + 1},}}", "x", text).replace("?", "")
        lengths = Counter(min(len(run), longest) for run in re.findall("=+", text))
        runs.append([lengths[n] for n in range(longest + 1)])
    return compared, runs


def two_levels(ordered: list[float]) -> tuple[float, float, float, float]:
    """Otsu by trying every cut between distinct neighbours."""
    if not ordered:
        return math.nan, math.nan, math.nan, 0.0
    if ordered[0] == ordered[-1]:
        return ordered[0], ordered[0], ordered[0], 0.0
    best = (-1.0, 0.0, 0.0, 0.0, 0.0)
    for i in range(1, len(ordered)):
        low, high = ordered[:i], ordered[i:]
        between = i * len(high) * (sum(low) / i - sum(high) / len(high)) ** 2
        if ordered[i] != ordered[i - 1] and between > best[0] * (1 + 1e-12):
            cut = (ordered[i] + ordered[i - 1]) / 2
            best = (between, cut, sum(low) / i, sum(high) / len(high), i / len(ordered))
    return best[1:]


def power_states(kw: list[float], on_kw: float, off_kw: float, dwell: int) -> list[int]:
    """A change counts when the old state does not come back, nor the data end, within `dwell` intervals."""
    states: list[int] = []
    state = 1
    for i, v in enumerate(kw):
        if math.isnan(v):
            states.append(-1)
            continue
        if i == 0 or math.isnan(kw[i - 1]):
            state = 0 if v <= off_kw else 1
        ahead = list(takewhile(lambda w: not math.isnan(w), kw[i : i + dwell]))
        wants = v >= on_kw if state == 0 else v <= off_kw
        returns = any(w <= off_kw if state == 0 else w >= on_kw for w in ahead)
        if wants and len(ahead) == dwell and not returns:
            state = 1 - state
        states.append(state)
    return states


def pack_hour_words(kinds: list[int], start_us: int, step_us: int, hours: int) -> list[list[int]]:
    """Sets of minutes for received, captured and stopped, written as bits."""
    minutes: list[list[set[int]]] = [[set() for _ in range(hours)] for _ in range(3)]
    for i, kind in enumerate(kinds):
        first = (start_us + i * step_us) // 60_000_000
        for minute in range(first, first + max(1, step_us // 60_000_000)):
            if kind != 3 and 0 <= minute // 60 < hours:
                for plane in [0] + ([kind] if kind in (1, 2) else []):
                    minutes[plane][minute // 60].add(minute % 60)
    return [[sum(2**m for m in hour) for hour in plane] for plane in minutes]


def judge_hour(received: int, captured: int, stopped: int, row: int, least: int) -> int:
    """0 lost, 1 captured, 2 stopped; row 3: the hour has no row of its own."""
    if not received:
        return 0 if row == 3 else row
    good, still = bin(captured).count("1"), bin(stopped & ~captured).count("1")
    if good >= least:
        return 1
    if still >= least or row == 2:
        return 2
    return 2 if row == 3 and good + still >= least and still > good else 0
