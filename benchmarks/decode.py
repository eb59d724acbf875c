"""Frames decoded a second: ours against plain Python, in one run on one machine.

The yardsticks do the least that can be called decoding: check length and CRC, split, turn values into
floats, keep a dictionary per factor. The first computes the CRC by a table in Python, the second by numba.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from domain.clock import SHANGHAI, Interval
from ingest.hj212 import (
    Edition,
    FrameDraft,
    ReadingValue,
    Splitter,
    crc_hj212,
    decode,
    encode,
    read_head,
    reading_group,
)
from ingest.hj212.batch import decode_batch
from ingest.hj212.crc import TABLE

FRAMES = 20_000
REPEATS = 5
IDLE_SHARE = 0.90  # of all cores, during a short look before the run
GOAL_RATIO, GOAL_FRAMES_PER_SECOND = 4.0, 250_000
_TABLE = TABLE.tolist()
#: Code -> lowest and highest value: the ten factors of a coal boiler's outlet.
_FACTORS = {
    "a34013": (1, 10), "a21026": (5, 60), "a21002": (20, 90), "a21005": (10, 300), "a19001": (4, 9),
    "a01011": (6, 20), "a01012": (45, 60), "a01013": (-1, 1), "a01014": (8, 15), "a00000": (80, 200),
}  # fmt: skip


def run() -> dict[str, Any]:
    """Rates in frames/s and their ratio to the first yardstick, best of REPEATS; JSON-able."""
    idle = _idle_share()
    results = [
        _measure("CN=2011, 30 values", _frames("2011")),
        _measure("CN=2051, 50 values", _frames("2051")),
    ]
    fast = results[0]
    return {
        "machine_idle_before": round(idle, 3),
        "machine_was_idle": idle >= IDLE_SHARE,
        "frames_each": FRAMES,
        "results": results,
        "goal": f"batch >= {GOAL_RATIO:g} x yardstick and >= {GOAL_FRAMES_PER_SECOND} frames/s of CN=2011",
        "goal_reached": fast["batch_ratio"] >= GOAL_RATIO
        and fast["batch_1_thread"] >= GOAL_FRAMES_PER_SECOND,
    }


def yardstick(packet: bytes, crc: Callable[[bytes], int]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Plain Python: head fields, and per factor its suffixes; raises ValueError on a wrong length or CRC."""
    length = int(packet[2:6])
    segment = packet[6 : 6 + length]
    if crc(segment) != int(packet[6 + length : 10 + length], 16):
        raise ValueError("CRC")
    head_text, _, area = segment.decode().partition("CP=&&")
    head = dict(item.split("=", 1) for item in head_text.rstrip(";").split(";"))
    factors: dict[str, dict[str, Any]] = {}
    for group in area[:-2].split(";"):
        for item in group.split(","):
            name, value = item.split("=", 1)
            code, dash, suffix = name.rpartition("-")
            if dash:
                factors.setdefault(code, {})[suffix] = value if suffix == "Flag" else float(value)
            else:
                head[name] = value
    return head, factors


def table_crc(segment: bytes) -> int:
    """Annex A with a look-up table, in Python."""
    register = 0xFFFF
    for byte in segment:
        register = _TABLE[(register >> 8) ^ byte]
    return register


def _measure(name: str, packets: Sequence[bytes]) -> dict[str, Any]:
    buffer = b"".join(packets)
    lengths = np.array([len(packet) for packet in packets], np.int64)
    offsets = np.cumsum(lengths) - lengths
    half = len(packets) // 2
    parts = ((offsets[:half], lengths[:half]), (offsets[half:], lengths[half:]))
    some = packets[: FRAMES // 10]
    with ThreadPoolExecutor(2) as pool:
        rates = {
            "yardstick_python": _rate(lambda: [yardstick(p, table_crc) for p in some], len(some)),
            "yardstick_numba_crc": _rate(lambda: [yardstick(p, crc_hj212) for p in some], len(some)),
            "readable": _rate(lambda: [decode(p) for p in some], len(some)),
            "head_only": _rate(lambda: [read_head(p) for p in some], len(some)),
            "splitter": _rate(lambda: Splitter().feed(buffer), len(packets)),
            "batch_1_thread": _rate(lambda: decode_batch(buffer, offsets, lengths), len(packets)),
            "batch_2_threads": _rate(
                lambda: list(pool.map(lambda part: decode_batch(buffer, *part), parts)), len(packets)
            ),
        }
    frames, rows = decode_batch(buffer, offsets, lengths)
    if not frames.ok.all():
        raise AssertionError("the batch path refused a frame of the benchmark")
    base = rates["yardstick_python"]
    return {
        "frames": name,
        "bytes_per_frame": round(len(buffer) / len(packets)),
        "readings_per_frame": len(rows.frame) / len(packets),
        **{key: round(rate) for key, rate in rates.items()},
        "batch_ratio": round(rates["batch_1_thread"] / base, 2),
        "batch_2_threads_ratio": round(rates["batch_2_threads"] / base, 2),
        "batch_ratio_to_numba_crc": round(rates["batch_1_thread"] / rates["yardstick_numba_crc"], 2),
    }


def _rate(work: Callable[[], object], frames: int) -> float:
    """Frames a second, the best of REPEATS after one run to warm up."""
    work()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return frames / best


def _frames(cn: str) -> list[bytes]:
    chance = random.Random(212)
    first = datetime(2026, 1, 1, tzinfo=SHANGHAI)
    return [_frame(cn, first + timedelta(minutes=i), chance) for i in range(FRAMES)]


def _frame(cn: str, when: datetime, chance: random.Random) -> bytes:
    interval = Interval.REALTIME if cn == "2011" else Interval.MINUTE
    groups = []
    for code, (low, high) in _FACTORS.items():
        least, mean, most = sorted(round(chance.uniform(low, high), 2) for _ in range(3))
        if interval is Interval.REALTIME:
            reading = ReadingValue(code, None, avg=mean, converted_avg=most, flag="N")
        else:
            reading = ReadingValue(
                code, None, avg=mean, min=least, max=most, total=round(mean * 60, 2), flag="N"
            )
        groups.append(reading_group(reading, interval))
    draft = FrameDraft(
        Edition.HJ_2017, cn, "010000A8900016F000169DC0", qn=when, data_time=when, groups=tuple(groups)
    )
    (packet,) = encode(draft)
    return packet


def _idle_share() -> float:
    """Share of all cores that was idle during half a second; 1.0 where /proc/stat does not exist."""
    before = _cpu_ticks()
    time.sleep(0.5)
    after = _cpu_ticks()
    if before is None or after is None:
        return 1.0
    spent = [b - a for a, b in zip(before, after, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def _cpu_ticks() -> list[int] | None:
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    return [int(field) for field in stat.read_text().split("\n", 1)[0].split()[1:9]]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
