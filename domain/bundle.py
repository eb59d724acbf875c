"""Bundles: a directory of tables for import, export and detection without a database.

One file a table, `<table>.csv` or `<table>.parquet` (domain/bundle_tables.py lists them). Only `outlets` and
one of `readings`, `power`, `passages` are required; column order and extra columns do not matter.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from domain.bundle_tables import TABLES, Table, typed_rows
from domain.errors import BundleError
from domain.registry import Registry
from domain.registry_tables import registry_of, tables_of

STREAMS = ("readings", "power", "passages")

ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Bundle:
    """The registry and the streams; a stream is None when its file is not there.

    Frames have the columns and types of `TABLES[...].schema`: times UTC, words ours, factors canonical.
    """

    registry: Registry
    readings: pl.DataFrame | None = None
    power: pl.DataFrame | None = None
    passages: pl.DataFrame | None = None

    def streams(self) -> dict[str, pl.DataFrame]:
        """The streams that are there, by table name."""
        given = {"readings": self.readings, "power": self.power, "passages": self.passages}
        return {name: frame for name, frame in given.items() if frame is not None}


def read_bundle(directory: Path) -> Bundle:
    """Read every table of a bundle.

    Raises BundleError naming file, line (CSV) or row (Parquet) and column of the first thing that is wrong.
    """
    if not directory.is_dir():
        raise BundleError(f"{directory} is not a directory; a bundle is a directory of CSV or Parquet files")
    tables = {name: _read_table(path, TABLES[name]) for name, path in _files(directory).items()}
    if "outlets" not in tables:
        raise BundleError(f"{directory} has no outlets.csv or outlets.parquet; a bundle needs one")
    if not any(name in tables for name in STREAMS):
        raise BundleError(f"{directory} needs one of readings, power or passages, as CSV or Parquet")
    for name, (frame, path) in tables.items():
        _check_key(frame, TABLES[name], path)
        _check_references(frame, TABLES[name], path, tables)
    frames = {name: frame for name, (frame, _) in tables.items()}
    return Bundle(registry_of(frames), frames.get("readings"), frames.get("power"), frames.get("passages"))


def write_bundle(directory: Path, bundle: Bundle, form: Literal["csv", "parquet"] = "parquet") -> None:
    """Write a bundle that `read_bundle` reads back equal; tables without rows are left out.

    CSV times carry `+08:00`, Parquet times are UTC timestamps. Other files in the directory stay.
    """
    directory.mkdir(parents=True, exist_ok=True)
    frames = {n: f for n, f in tables_of(bundle.registry).items() if f.height} | bundle.streams()
    for name, frame in frames.items():
        target = directory / f"{name}.{form}"
        if form == "parquet":
            frame.write_parquet(target)
        else:
            local = pl.selectors.datetime(time_zone="UTC").dt.convert_time_zone("Asia/Shanghai")
            frame.with_columns(local.dt.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")).write_csv(target)


def _files(directory: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        name = path.stem.lower()
        if name not in TABLES or path.suffix.lower() not in (".csv", ".parquet"):
            continue
        if name in found:
            raise BundleError(f"{directory} holds {found[name].name} and {path.name}; keep one of them")
        found[name] = path
    return found


def _read_table(path: Path, table: Table) -> tuple[pl.DataFrame, Path]:
    parts = _read_parquet(path) if path.suffix.lower() == ".parquet" else iter([_read_csv(path)])
    frames: list[pl.DataFrame] = []
    before = 0  # rows of the parts read so far
    for part in parts:
        raw = part.rename({name: name.strip().lower() for name in part.columns}, strict=False)
        missing = [c.name for c in table.columns if c.required and c.name not in raw.columns]
        if missing:
            there = ", ".join(raw.columns) or "none"
            raise BundleError(f"{path.name}: column {', '.join(missing)} is missing; columns there: {there}")
        rows = typed_rows(raw, table)
        if rows.errors:
            first = rows.errors[0]
            more = f" (and {len(rows.errors) - 1} more)" if len(rows.errors) > 1 else ""
            place = _place(path, before + first.row)
            raise BundleError(f"{place}, column {first.column}: {first.text}{more}")
        frames.append(rows.frame)
        before += rows.frame.height
    return pl.concat(frames), path


def _place(path: Path, row: int) -> str:
    """CSV lines count from 1 with the head as the first, as editors show them; Parquet rows from 1."""
    return (
        f"{path.name} row {row + 1}" if path.suffix.lower() == ".parquet" else f"{path.name} line {row + 2}"
    )


def _read_parquet(path: Path) -> Iterator[pl.DataFrame]:
    """In parts, so that a large table is not held twice, as given and as typed; at least one part."""
    try:
        scan = pl.scan_parquet(path)
        height = int(scan.select(pl.len()).collect().item())
        for first in range(0, max(height, 1), ROWS_AT_ONCE):
            yield scan.slice(first, ROWS_AT_ONCE).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BundleError(f"{path.name} is not a Parquet file that can be read: {error}") from error


def _read_csv(path: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise BundleError(f"{path.name} is empty; its first line must name the columns") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        text = _gb18030(path)
        if text is None:
            raise BundleError(f"{path.name} is not a CSV file that can be read: {error}") from error
        return pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)


def _gb18030(path: Path) -> str | None:
    """The text of a file saved by a Chinese spreadsheet; None when it is UTF-8 or neither."""
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError:
        try:
            return content.decode("gb18030")
        except UnicodeDecodeError:
            return None
    return None


def _check_key(frame: pl.DataFrame, table: Table, path: Path) -> None:
    if not table.key:
        return
    repeated = frame.select(pl.struct(table.key).is_first_distinct().not_().arg_true())[table.key[0]]
    if len(repeated):
        row = int(repeated[0])
        values = ", ".join(str(value) for value in frame.select(table.key).row(row))
        raise BundleError(f"{_place(path, row)}, column {', '.join(table.key)}: {values} is there already")


def _check_references(
    frame: pl.DataFrame, table: Table, path: Path, tables: Mapping[str, tuple[pl.DataFrame, Path]]
) -> None:
    for column in table.columns:
        if column.references not in tables:
            continue
        known = tables[column.references][0].to_series(0)
        given = frame[column.name]
        strange = (given.is_not_null() & given.is_in(known.implode()).not_()).arg_true()
        if len(strange):
            row = int(strange[0])
            raise BundleError(
                f"{_place(path, row)}, column {column.name}: {given[row]!r} is not in {column.references}"
            )
