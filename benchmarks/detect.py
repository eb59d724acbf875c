"""Detector kernels against plain baselines, in one run on the same arrays.

    mingcha bench detect [--json]    or    python -m benchmarks.detect

Baselines are what an analyst writes first: NumPy change points, tuples in a Python dict, a polars group-by;
stumpy joins where it is importable and is skipped by name where not. Each job is warmed (kernels compile or
come from their cache), looped to a measurable time, and reported as the median of ROUNDS. `idle` says how
much of the machine was free meanwhile: ratios from a busy machine are worth little.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from detectors.kernels.hour_words import ABSENT, CAPTURED, LOST, STOPPED, judge_hours, pack_hour_words
from detectors.kernels.replay import repeats
from detectors.kernels.runs_equal import long_runs
from detectors.kernels.ticks import decimal_places, differences, to_ticks

Ticks = npt.NDArray[np.int32]
Row = dict[str, object]
Item = TypeVar("Item")

SERIES = 400
HOURS = 8_760
FLAT_HOURS = 6
REPLAY_POINTS = 12
FLAG_OUTLETS = 100
FLAG_DAYS = 90
MINUTES_PER_DAY = 1_440
ROUNDS = 5
ROUND_SECONDS = 0.05
RESOLUTION_PLACES = 1
BUSY_ABOVE = 0.10  # share of the machine other processes may take before a run is called busy


def run(series: int = SERIES, flag_outlets: int = FLAG_OUTLETS) -> dict[str, object]:
    """Measure everything; `rows` hold job, engine, values/s and the ratio to the job's first baseline."""
    others = _others_share()
    values = hourly_years(series)
    flags = minute_flags(flag_outlets)
    rows = [*_ticks(values), *_flat(values), *_replay(values), *_capture(flags)]
    skipped = [] if _stumpy() else ["stumpy is not installed: its replay search is left out"]
    others = max(others, _others_share())
    return {
        "rows": rows,
        "skipped": skipped,
        "machine": {"cores": os.cpu_count() or 1, "others_share": round(others, 3)},
        "idle": others <= BUSY_ABOVE,
    }


def hourly_years(count: int) -> npt.NDArray[np.float64]:
    """(count, HOURS) honest years on a 0.1 grid with planted flats and one exact replay each. Seeded."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((count, HOURS))
    smooth = pl.DataFrame(noise.T).select(pl.all().ewm_mean(alpha=0.2, adjust=False)).to_numpy().T
    level = rng.uniform(15, 60, (count, 1))
    day = np.sin(2 * np.pi * np.arange(HOURS) / 24)
    values = level * (1 + 0.08 * day + 0.2 * smooth)
    for row in values:
        first = int(rng.integers(0, HOURS - 500))
        row[first : first + 48] = row[first]
        source, copy = rng.integers(0, HOURS // 2 - 72), rng.integers(HOURS // 2, HOURS - 72)
        row[copy : copy + 72] = row[source : source + 72]
    return np.round(values, RESOLUTION_PLACES)


def minute_flags(outlets: int) -> npt.NDArray[np.uint8]:
    """(outlets, minutes of a quarter) kinds of minutes: mostly captured, spells of loss and stop. Seeded."""
    rng = np.random.default_rng(3)
    flags = np.full((outlets, FLAG_DAYS * MINUTES_PER_DAY), CAPTURED, np.uint8)
    for row in flags:
        row[rng.integers(0, row.size, row.size // 50)] = LOST
        for _ in range(int(rng.integers(3, 30))):
            first, length = rng.integers(0, row.size - 3_000), rng.integers(5, 3_000)
            row[first : first + length] = (ABSENT, LOST, STOPPED)[rng.integers(0, 3)]
    return flags


def _ticks(values: npt.NDArray[np.float64]) -> list[Row]:
    def kernel() -> object:
        return [to_ticks(row, decimal_places(row, 6)) for row in values]

    def numpy() -> object:  # told the resolution, which the kernel has to find
        return np.rint(values * 10.0**RESOLUTION_PLACES).astype(np.int32)

    return _compare("ticks", values.size, {"numpy rint, resolution given": numpy, "kernel": kernel})


def _flat(values: npt.NDArray[np.float64]) -> list[Row]:
    ticks = [to_ticks(row, RESOLUTION_PLACES) for row in values]
    index = np.arange(HOURS, dtype=np.int64)

    def one(row: Ticks) -> int:
        return len(long_runs(row, index, FLAT_HOURS, 0))

    def numpy() -> int:
        found = 0
        for row in values:
            edges = np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1], [True])))
            found += int(np.count_nonzero(np.diff(edges) >= FLAT_HOURS))
        return found

    frame = pl.DataFrame({"series": np.repeat(np.arange(len(values)), HOURS), "value": values.ravel()})

    def polars() -> int:
        runs = pl.struct("series", "value").rle_id().alias("run")
        lengths = frame.select(runs).group_by("run").len()
        return lengths.filter(pl.col("len") >= FLAT_HOURS).height

    return _compare(
        "constant runs",
        values.size,
        {
            "numpy change points": numpy,
            "polars run ids": polars,
            "kernel": lambda: sum(map(one, ticks)),
            "kernel, 2 threads": lambda: _threaded(one, ticks),
        },
    )


def _replay(values: npt.NDArray[np.float64]) -> list[Row]:
    few = [to_ticks(row, RESOLUTION_PLACES) for row in values[: max(1, len(values) // 10)]]

    def exact(row: Ticks) -> int:
        return len(repeats(row, row, REPLAY_POINTS, 4, 0, 1_000))

    def offset(row: Ticks) -> int:
        return len(repeats(differences(row), row, REPLAY_POINTS, 4, 0, 1_000))

    def dictionary() -> int:
        hits = 0
        for row in few:
            listed = row.tolist()
            seen: dict[tuple[int, ...], int] = {}
            for i in range(len(listed) - REPLAY_POINTS + 1):
                hits += seen.setdefault(tuple(listed[i : i + REPLAY_POINTS]), i) != i
        return hits

    def numpy() -> int:
        hits = 0
        for row in few:
            windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(row, REPLAY_POINTS))
            keys = windows.view(np.dtype((np.void, windows.dtype.itemsize * REPLAY_POINTS))).ravel()
            hits += keys.size - np.unique(keys).size
        return hits

    jobs: dict[str, Callable[[], object]] = {
        "dict of tuples": dictionary,
        "numpy sort of windows": numpy,
        "kernel, exact": lambda: sum(map(exact, few)),
        "kernel, plus a constant": lambda: sum(map(offset, few)),
        "kernel, exact, 2 threads": lambda: _threaded(exact, few),
    }
    rows = _compare("replay", sum(row.size for row in few), jobs)
    stump = _stumpy()
    if stump is not None:
        year = values[0].astype(np.float64)
        seconds = _median_seconds(lambda: stump(year, REPLAY_POINTS))
        rows.append(_row("replay", "stumpy.stump (nearest neighbour of each window)", HOURS / seconds, rows))
    return rows


def _capture(flags: npt.NDArray[np.uint8]) -> list[Row]:
    hours = flags.shape[1] // 60
    no_rows = np.full(hours, ABSENT, np.uint8)
    words = [pack_hour_words(row, 0, 60_000_000, hours) for row in flags]

    def judge(word: npt.NDArray[np.uint64]) -> int:
        return int(np.count_nonzero(judge_hours(word, no_rows, 45) == CAPTURED))

    def numpy() -> int:
        minutes = (flags == CAPTURED).reshape(len(flags), hours, 60).sum(axis=2)
        return int(np.count_nonzero(minutes >= 45))

    frame = pl.DataFrame(
        {
            "hour": np.repeat(np.arange(len(flags) * hours, dtype=np.int32), 60),
            "captured": flags.ravel() == CAPTURED,
        }
    )

    def polars() -> int:
        minutes = frame.group_by("hour").agg(pl.col("captured").sum())
        return minutes.filter(pl.col("captured") >= 45).height

    return _compare(
        "capture rate",
        flags.size,
        {
            "numpy, dense flags": numpy,
            "polars group by hour": polars,
            "kernel, packing hour words": lambda: [
                pack_hour_words(row, 0, 60_000_000, hours) for row in flags
            ],
            "kernel, hour words": lambda: sum(map(judge, words)),
            "kernel, hour words, 2 threads": lambda: _threaded(judge, words),
        },
    )


def _compare(job: str, values: int, engines: dict[str, Callable[[], object]]) -> list[Row]:
    rows: list[Row] = []
    for engine, work in engines.items():
        rows.append(_row(job, engine, values / _median_seconds(work), rows))
    return rows


def _row(job: str, engine: str, rate: float, before: list[Row]) -> Row:
    base = before[0]["values_per_s"] if before else rate
    assert isinstance(base, float)
    return {"job": job, "engine": engine, "values_per_s": rate, "ratio": round(rate / base, 2)}


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    start = time.perf_counter()
    work()
    inner = max(1, int(ROUND_SECONDS / (time.perf_counter() - start)))
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(inner):
            work()
        rounds.append((time.perf_counter() - start) / inner)
    return statistics.median(rounds)


def _threaded(work: Callable[[Item], int], items: list[Item]) -> int:
    """Two halves at once: the kernels release the interpreter."""
    half = len(items) // 2
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda part: sum(map(work, part)), (items[:half], items[half:])))


def _stumpy() -> Callable[[npt.NDArray[np.float64], int], object] | None:
    if importlib.util.find_spec("stumpy") is None:
        return None
    found: Callable[[npt.NDArray[np.float64], int], object] = importlib.import_module("stumpy").stump
    return found


def _others_share(sample_seconds: float = 0.2) -> float:
    """Share of the machine's cores other processes kept busy while we slept; 0 where /proc/stat is absent."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0

    def busy() -> int:
        user, nice, system, _idle, _wait, irq, soft, steal = map(
            int, stat.read_text().split("\n", 1)[0].split()[1:9]
        )
        return user + nice + system + irq + soft + steal

    before = busy()
    time.sleep(sample_seconds)
    ticks = (busy() - before) / os.sysconf("SC_CLK_TCK")
    return ticks / sample_seconds / (os.cpu_count() or 1)


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
