"""Search for repeats in the series of one plant, judged by how long honest series repeat by chance.

Three hypotheses, each with its own null (detection.md in short: expected chance repeats of L points are about
pairs · P1 · rho^(L-1), Karlin & Altschul 1990, P1 and rho counted from the same series at other lags):
the same outlet at an earlier time; another outlet of the plant at another time; another outlet at the same
time (a twin). Each is looked for exactly and plus a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from detectors.analysis.usable import Usable
from detectors.kernels.replay import agreement_counts, repeats
from detectors.kernels.runs_chance import CENSORED, expected_runs, length_counts
from detectors.kernels.runs_equal import maximal_runs
from detectors.kernels.ticks import GAP, Ticks, differences

Counts = npt.NDArray[np.int64]
Kind = Literal["replay", "cross", "twin"]

#: Pairs of points compared to learn the chance of agreement; more sharpen the bound, at cost.
SAMPLE_PAIRS = 400_000
FEWEST_LAGS, MOST_LAGS = 16, 128
#: A lag that agrees this often, and so many times as often as the middle lag, is an act and teaches nothing.
ACT_SHARE, ACT_TIMES = 0.5, 3.0
#: Lags around zero that show how alike two outlets are at nearly the same time.
NEAR_LAGS = np.array([lag for n in range(1, 13) for lag in (-n, n)], np.int64)
#: Longest run of agreement told apart when counting.
LONGEST_COUNTED = 256
#: A window with more chance repeats than this is no seed.
SEED_CHANCE = 1.0
#: Rows kept of one search: a plant that replays everything needs no more.
MOST_FOUND = 2_000
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Repeat:
    """Places `[copy, copy + places)` of `copied` are `[source, …)` of `original` plus `offset`."""

    kind: Kind
    original: Usable
    copied: Usable
    source: int
    copy: int
    places: int
    points: int  # agreeing values outside flat stretches: what was judged
    offset: float  # in units of the factor, 0 for an exact repeat
    chance: float  # such repeats expected by chance


@dataclass(frozen=True)
class _Track:
    """One series ready for the search: `judged` has flat stretches masked as well."""

    usable: Usable
    ticks: Ticks
    judged: Ticks

    @property
    def size(self) -> int:
        return int(np.count_nonzero(self.judged != GAP))


@dataclass(frozen=True)
class _Null:
    """Run lengths of chance agreement and how many times the data hold what was compared."""

    counts: Counts
    scale: float

    def expected(self, length: int) -> float:
        return float(expected_runs(self.counts, length)) * self.scale if length > 0 else np.inf

    def window(self, least: int, most: int) -> int:
        """Fewest points, `least` to `most`, that repeat by chance less than SEED_CHANCE times."""
        low, high = least, max(least, most)
        while low < high:  # the expectation falls with the length
            middle = (low + high) // 2
            if self.expected(middle) < SEED_CHANCE:
                high = middle
            else:
                low = middle + 1
        return high


def repeats_of_factor(series: Sequence[Usable], bridge: int, shortest: int) -> tuple[list[Repeat], int]:
    """All candidate repeats of one factor over the outlets of a plant (equal grids), and the number of tests.

    Candidates have `shortest` points in a row and are longer than chance makes likely; the caller decides how
    unlikely is enough. Most series have no such row, and then no null is learned.
    """
    tracks = [_track(u, bridge) for u in series]
    tracks = [t for t in tracks if t.size >= 2 * shortest]
    found: list[Repeat] = []
    tests = 0
    for exact in (True, False):
        for track in tracks:
            tests += 1
            found += _within(track, exact, bridge, shortest)
        if len(tracks) > 1:
            tests += 2
            found += _across(tracks, exact, bridge, shortest)
    return found, tests


def _track(usable: Usable, bridge: int) -> _Track:
    """Mask the runs of equal values that only few others reach: they are the business of another rule."""
    index = np.flatnonzero(usable.ticks != GAP).astype(np.int64)
    starts = maximal_runs(usable.ticks[index], index, bridge)
    lengths = np.diff(starts)
    judged = usable.ticks.copy()
    if lengths.size:
        counts = length_counts(lengths, int(lengths.max()))
        flat = 4
        while flat < counts.size and counts[flat] >= CENSORED:
            flat += 1
        for run in np.flatnonzero(lengths >= flat):
            judged[index[starts[run] : starts[run + 1]]] = GAP
    return _Track(usable, usable.ticks, judged)


def _words(ticks: Ticks, exact: bool) -> Ticks:
    return ticks if exact else differences(ticks)


def _lags(size: int, step_us: int) -> Counts:
    """Lags to learn from: half whole days, where a daily rhythm agrees most, half in between."""
    count = int(np.clip(SAMPLE_PAIRS // max(size, 1), FEWEST_LAGS, MOST_LAGS))
    even = np.linspace(size / 8, 7 * size / 8, count // 2).astype(np.int64)
    day = SECONDS_PER_DAY * 1_000_000 // step_us
    days = np.arange(1, max(1, int(0.9 * size / day)) + 1, dtype=np.int64) * day
    days = days[:: max(1, days.size // (count // 2))]
    lags = np.unique(np.concatenate([even, days]))
    return lags[(lags > 0) & (lags < size)]


def _own_null(track: _Track, exact: bool, bridge: int) -> _Null:
    words = _words(track.judged, exact)
    lags = _lags(words.size, track.usable.grid.step_us)
    compared, runs = agreement_counts(words, words, lags, bridge, LONGEST_COUNTED)
    usable = np.count_nonzero(words != GAP)
    return _null(compared, runs, usable * (usable - 1) / 2)


def _null(compared: Counts, runs: Counts, pairs: float) -> _Null:
    agreed = (runs * np.arange(runs.shape[1])).sum(axis=1)
    share = agreed / np.maximum(compared, 1)
    honest = ~((share > ACT_SHARE) & (share > ACT_TIMES * np.median(share))) if share.size else share > 1
    total = runs[honest].sum(axis=0)
    counts = np.append(np.cumsum(total[::-1])[::-1], 0)
    counts[0] = counts[1] if counts.size > 1 else 0
    seen = int(compared[honest].sum())
    return _Null(counts, pairs / seen if seen else np.inf)


def _search(ticks: Ticks, exact: bool, window: int, bridge: int) -> npt.NDArray[np.int64]:
    known = ticks[ticks != GAP]
    changing = float(np.mean(known[1:] != known[:-1])) if known.size > 1 else 0.0
    changes = max(2, int(0.5 * changing * window))
    rows: npt.NDArray[np.int64] = repeats(_words(ticks, exact), ticks, window, changes, bridge, MOST_FOUND)
    return rows


def _judge(
    kind: Kind, first: _Track, second: _Track, row: npt.NDArray[np.int64], exact: bool, null: _Null
) -> Repeat | None:
    """A row of places inside the two tracks, judged; None where chance explains it or another test has it."""
    source, copy, places, _ = (int(x) for x in row)
    a = first.judged[source : source + places]
    b = second.judged[copy : copy + places]
    both = np.flatnonzero((a != GAP) & (b != GAP))
    if not both.size:
        return None
    offset = int(b[both[0]]) - int(a[both[0]])
    if exact != (offset == 0):
        return None  # an exact repeat is judged as such, where the null is sharper
    points = int(both.size)
    chance = null.expected(points if exact else points - 1)
    if chance >= SEED_CHANCE:
        return None
    scale = 10.0**first.usable.places
    return Repeat(kind, first.usable, second.usable, source, copy, places, points, offset / scale, chance)


def _within(track: _Track, exact: bool, bridge: int, shortest: int) -> Iterator[Repeat]:
    if not len(_search(track.ticks, exact, shortest, bridge)):
        return
    null = _own_null(track, exact, bridge)
    for row in _search(track.ticks, exact, null.window(shortest, track.size // 2), bridge):
        made = _judge("replay", track, track, row, exact, null)
        if made:
            yield made


def _across(tracks: Sequence[_Track], exact: bool, bridge: int, shortest: int) -> Iterator[Repeat]:
    """One table over all outlets of the plant, each on the finest grid of decimals among them."""
    places = max(t.usable.places for t in tracks)
    if any(
        np.abs(t.ticks[t.ticks != GAP]).max() * 10.0 ** (places - t.usable.places) >= 2**31 for t in tracks
    ):
        return
    same = [_rescaled(t, places) for t in tracks]
    stride = max(t.ticks.size for t in same) + bridge + 1
    line = np.full(stride * len(same), np.int32(GAP))
    for i, track in enumerate(same):
        line[i * stride : i * stride + track.ticks.size] = track.ticks
    if not _between(_search(line, exact, shortest, bridge), stride):
        return
    cross, twin = _cross_nulls(same, exact, bridge)
    window = min(null.window(shortest, stride) for null in (cross, twin))
    for source, copy, length, pairs in _between(_search(line, exact, window, bridge), stride):
        (begin, first), (begun, second) = sorted(
            (int(at % stride), int(at // stride)) for at in (source, copy)
        )
        kind: Kind = "twin" if begin == begun else "cross"
        row = np.array([begin, begun, length, pairs])
        made = _judge(kind, same[first], same[second], row, exact, twin if kind == "twin" else cross)
        if made:
            yield made


def _between(rows: npt.NDArray[np.int64], stride: int) -> list[npt.NDArray[np.int64]]:
    """The rows whose source and copy lie in different outlets."""
    return [row for row in rows if row[0] // stride != row[1] // stride]


def _rescaled(track: _Track, places: int) -> _Track:
    factor = 10 ** (places - track.usable.places)
    ticks, judged = (
        np.where(t == GAP, GAP, t.astype(np.int64) * factor).astype(np.int32)
        for t in (track.ticks, track.judged)
    )
    return _Track(track.usable, ticks, judged)


def _cross_nulls(tracks: Sequence[_Track], exact: bool, bridge: int) -> tuple[_Null, _Null]:
    """Nulls over all pairs of outlets: at other times, and at (nearly) the same time."""
    words = [_words(t.judged, exact) for t in tracks]
    pairs = [(i, j) for i in range(len(words)) for j in range(i)]
    far: list[tuple[Counts, Counts]] = []
    near: list[tuple[Counts, Counts]] = []
    total = same_time = 0.0
    for i, j in pairs:
        lags = _lags(words[i].size, tracks[i].usable.grid.step_us)
        lags = lags[:: max(1, len(pairs) // 2)]
        lags = np.concatenate([lags, -lags])
        far.append(agreement_counts(words[i], words[j], lags, bridge, LONGEST_COUNTED))
        near.append(agreement_counts(words[i], words[j], NEAR_LAGS, bridge, LONGEST_COUNTED))
        size_i, size_j = (float(np.count_nonzero(words[k] != GAP)) for k in (i, j))
        total += size_i * size_j
        same_time += min(size_i, size_j)
    return (
        _null(np.concatenate([c for c, _ in far]), np.concatenate([r for _, r in far]), total),
        _null(np.concatenate([c for c, _ in near]), np.concatenate([r for _, r in near]), same_time),
    )
