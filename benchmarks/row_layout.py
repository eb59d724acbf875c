"""Narrow, wide or array rows for readings: write rate, size and read-back, in one run on one server.

    python -m benchmarks.row_layout [--frames N] [--json]

Ten factors a frame, five numbers and a flag each; 200 outlets, minute after minute, 1,000 frames a
transaction, COPY of blocks encoded beforehand. Reported are medians of three rounds, the layouts in turn.
docs/decisions/001-narrow-reading-rows.md quotes a run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql

from mingcha.stack.ports import free_port
from mingcha.stack.postgres import EmbeddedPostgres
from storage.binary_copy import HEADER, TRAILER, Column, encode, float8, int2, int4, timestamptz
from storage.connection import Connection, connect

FACTORS = 10
OUTLETS = 200
FRAMES_PER_TRANSACTION = 1_000
START_US = 1_790_000_000_000_000
MEASURES = ("avg", "min", "max", "converted_avg", "total")
ROUNDS = 3

Floats = npt.NDArray[np.float64]
_FLOAT8_OID, _INT2_OID = 701, 21


@dataclass(frozen=True)
class Frames:
    """`outlet` and `time_us` per frame; `values` frames x factors x measures."""

    outlet: npt.NDArray[np.int32]
    time_us: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.outlet)


@dataclass(frozen=True)
class Layout:
    """One way to lay readings into rows, its blocks (one a transaction) and the two questions asked of it."""

    name: str
    table: str
    blocks: Callable[[Frames], list[bytes]]
    one_factor: str
    everything: str


@dataclass(frozen=True)
class Result:
    layout: str
    write_k_readings_per_s: float
    bytes_per_reading: float
    table_bytes_per_reading: float
    read_one_factor_s: float
    read_everything_s: float


def narrow_blocks(frames: Frames) -> list[bytes]:
    factor = np.arange(FACTORS)
    return [
        _rows(
            [
                int4(np.repeat(part.outlet, FACTORS)), int2(np.tile(factor, len(part))),
                int2(np.ones(len(part) * FACTORS, np.int16)), timestamptz(np.repeat(part.time_us, FACTORS)),
                *(float8(part.values[:, :, m].ravel()) for m in range(len(MEASURES))),
                int2(np.ones(len(part) * FACTORS, np.int16)),
            ]
        )
        for part in _transactions(frames)
    ]  # fmt: skip


def wide_blocks(frames: Frames) -> list[bytes]:
    blocks = []
    for part in _transactions(frames):
        one = np.ones(len(part), np.int16)
        columns: list[Column] = [int4(part.outlet), int2(one), timestamptz(part.time_us)]
        for factor in range(FACTORS):
            columns += [float8(part.values[:, factor, m].copy()) for m in range(len(MEASURES))]
            columns.append(int2(one))
        blocks.append(_rows(columns))
    return blocks


def array_blocks(frames: Frames) -> list[bytes]:
    blocks = []
    for part in _transactions(frames):
        one = np.ones(len(part), np.int16)
        blocks.append(
            _rows(
                [
                    int4(part.outlet), int2(one), timestamptz(part.time_us),
                    _array(np.tile(np.arange(FACTORS), (len(part), 1)), ">i2", _INT2_OID),
                    *(_array(part.values[:, :, m], ">f8", _FLOAT8_OID) for m in range(len(MEASURES))),
                    _array(np.ones((len(part), FACTORS)), ">i2", _INT2_OID),
                ]
            )
        )  # fmt: skip
    return blocks


_NUMBERS = ", ".join(f"{name} double precision" for name in MEASURES)
_KEY = "o integer, i smallint, t timestamptz"
_WIDE = ", ".join(
    ", ".join(f"f{k}_{name} double precision" for name in MEASURES) + f", f{k}_flag smallint"
    for k in range(FACTORS)
)
_ARRAYS = ", ".join(f"{name} double precision[]" for name in MEASURES)

_NARROW = f"o integer, f smallint, i smallint, t timestamptz, {_NUMBERS}, flag smallint"
_AVERAGES = ", ".join(f"f{k}_avg, f{k}_flag" for k in range(FACTORS))
_POSITION = "array_position(factors, 3::smallint)"

NARROW = Layout(
    "narrow, key by factor",
    f"{_NARROW}, PRIMARY KEY (o, f, i, t)",
    narrow_blocks,
    "SELECT o, t, avg, flag FROM layout WHERE f = 3 ORDER BY o, t",
    "SELECT o, f, t, avg, flag FROM layout ORDER BY o, f, t",
)
LAYOUTS = (
    NARROW,
    replace(NARROW, name="narrow, key by time", table=f"{_NARROW}, PRIMARY KEY (o, i, t, f)"),
    Layout(
        "wide: a column per factor",
        f"{_KEY}, {_WIDE}, PRIMARY KEY (o, i, t)",
        wide_blocks,
        "SELECT o, t, f3_avg, f3_flag FROM layout ORDER BY o, t",
        f"SELECT o, t, {_AVERAGES} FROM layout ORDER BY o, t",  # noqa: S608 - constants above
    ),
    Layout(
        "array: a row per frame",
        f"{_KEY}, factors smallint[], {_ARRAYS}, flags smallint[], PRIMARY KEY (o, i, t)",
        array_blocks,
        f"SELECT o, t, avg[{_POSITION}], flags[{_POSITION}] FROM layout ORDER BY o, t",  # noqa: S608
        "SELECT o, t, factors, avg, flags FROM layout ORDER BY o, t",
    ),
)


def measure(connection: Connection, frames: Frames) -> list[Result]:
    """Write and read every layout ROUNDS times, in turn, and give the medians."""
    prepared = [layout.blocks(frames) for layout in LAYOUTS]
    rounds: dict[str, list[Result]] = {layout.name: [] for layout in LAYOUTS}
    for _ in range(ROUNDS):
        for layout, blocks in zip(LAYOUTS, prepared, strict=True):
            rounds[layout.name].append(_once(connection, layout, blocks, len(frames) * FACTORS))
    return [
        Result(
            name,
            *(
                statistics.median(getattr(result, field) for result in results)
                for field in list(Result.__dataclass_fields__)[1:]
            ),
        )
        for name, results in rounds.items()
    ]


def make_frames(count: int, seed: int = 1) -> Frames:
    """Minute after minute, all outlets in each."""
    index = np.arange(count)
    values = np.random.default_rng(seed).random((count, FACTORS, len(MEASURES))) * 50
    return Frames(
        (index % OUTLETS).astype(np.int32),
        START_US + (index // OUTLETS).astype(np.int64) * 60_000_000,
        values,
    )


def store(connection: Connection, layout: Layout, blocks: Sequence[bytes]) -> float:
    """Make the table anew and COPY the blocks, one a transaction; seconds of the COPY alone."""
    connection.execute("DROP TABLE IF EXISTS layout")
    connection.execute(f"CREATE TABLE layout ({layout.table})".encode())
    connection.execute("CHECKPOINT")
    began = time.perf_counter()
    for block in blocks:
        with (
            connection.transaction(),
            connection.cursor() as cursor,
            cursor.copy("COPY layout FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.write(HEADER + block + TRAILER)
    return time.perf_counter() - began


def _once(connection: Connection, layout: Layout, blocks: Sequence[bytes], readings: int) -> Result:
    written = store(connection, layout, blocks)
    sizes = connection.execute("SELECT pg_total_relation_size('layout'), pg_table_size('layout')").fetchone()
    assert sizes is not None
    connection.execute("VACUUM ANALYZE layout")
    return Result(
        layout.name,
        readings / written / 1e3,
        sizes[0] / readings,
        sizes[1] / readings,
        _read(connection, layout.one_factor),
        _read(connection, layout.everything),
    )


def _read(connection: Connection, query: str) -> float:
    """Seconds until all bytes of the answer are here."""
    began = time.perf_counter()
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(sql.SQL(query))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        b"".join(copy)
    return time.perf_counter() - began


def _transactions(frames: Frames) -> list[Frames]:
    return [
        Frames(
            frames.outlet[i : i + FRAMES_PER_TRANSACTION],
            frames.time_us[i : i + FRAMES_PER_TRANSACTION],
            frames.values[i : i + FRAMES_PER_TRANSACTION],
        )
        for i in range(0, len(frames), FRAMES_PER_TRANSACTION)
    ]


def _rows(columns: Sequence[Column]) -> bytes:
    return b"".join(encode(columns))


def _array(values: npt.NDArray[Any], kind: str, oid: int) -> Column:
    """Rows of a matrix as one-dimensional PostgreSQL arrays without NULLs."""
    width = np.dtype(kind).itemsize
    element = np.dtype([("length", ">i4"), ("value", kind)])
    layout = np.dtype(
        [
            ("dimensions", ">i4"), ("nulls", ">i4"), ("oid", ">u4"), ("size", ">i4"), ("lower", ">i4"),
            ("elements", element, (values.shape[1],)),
        ]
    )  # fmt: skip
    block = np.zeros(len(values), layout)
    block["dimensions"] = block["lower"] = 1
    block["oid"], block["size"] = oid, values.shape[1]
    block["elements"]["length"], block["elements"]["value"] = width, values
    return Column(block.view(f"S{layout.itemsize}"), layout.itemsize)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="mingcha-bench-"))
    server = EmbeddedPostgres(directory / "postgres", free_port())
    try:
        server.start()
        with connect(server.url, application_name="row layout", autocommit=True) as connection:
            results = measure(connection, make_frames(arguments.frames))
    finally:
        server.remove()
        shutil.rmtree(directory, ignore_errors=True)
    if arguments.json:
        print(json.dumps([asdict(result) for result in results]))
        return
    print(f"{'':26}{'k readings/s':>14}{'B/reading':>11}{'of it heap':>12}{'one factor s':>14}{'all s':>8}")
    for r in results:
        print(
            f"{r.layout:26}{r.write_k_readings_per_s:14.0f}{r.bytes_per_reading:11.0f}"
            f"{r.table_bytes_per_reading:12.0f}{r.read_one_factor_s:14.3f}{r.read_everything_s:8.3f}"
        )


if __name__ == "__main__":
    main()
