"""JSON line items to rows: all at once by polars, and one by one where that does not do."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.bundle_tables import TABLES, Cell, Table, typed_rows
from domain.clock import INTERVAL_KEYS
from ingest.errors import LineError
from ingest.lines import PARSERS
from ingest.records import Kind
from ingest.writer.consumed import Opened, is_plausible
from ingest.writer.keys import Keys
from storage.intake.keys import Named
from storage.intake.rows import PassageRows, PowerRows, ReadingRows, Refusal

_ITEM = "item"
_NUL = b"\\u0000"


@dataclass(frozen=True)
class LineKind:
    """One kind of line: its bundle table, and who its lines speak of."""

    kind: Kind
    table: Table
    subject: str
    named: Named
    one_of: tuple[str, ...] = ()  # columns of which one must be filled


READING_LINES = LineKind(Kind.READING_LINE, TABLES["readings"], "outlet_id", "outlet")
POWER_LINES = LineKind(Kind.POWER_LINE, TABLES["power"], "meter_id", "meter", ("kw", "kwh"))
PASSAGE_LINES = LineKind(Kind.PASSAGE_LINE, TABLES["passages"], "gate_id", "gate")


@dataclass(frozen=True)
class LineParts:
    """`frame` has the table's columns, `item` and `subject_key`, ordered by item; times `time_us`."""

    frame: pl.DataFrame
    subjects: dict[int, str]  # by item, where a line says whom it speaks of
    refusals: list[Refusal]

    def ints(self, name: str, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        return self.frame[name].to_numpy().astype(kind)

    def floats(self, name: str) -> npt.NDArray[np.float64]:
        return self.frame[name].fill_null(float("nan")).to_numpy().astype(np.float64)

    def texts(self, name: str) -> npt.NDArray[np.bytes_]:
        values = [value.encode() for value in self.frame[name].fill_null("").to_list()]
        return np.array(values, np.bytes_) if values else np.empty(0, "S1")


def read_lines(opened: Sequence[Opened], lines: LineKind, keys: Keys) -> LineParts:
    """The lines of these records, typed and with the key of their subject.

    Every line is judged alone: what becomes of it does not depend on what it was batched with.
    """
    items = np.concatenate([o.first_item + np.arange(len(o.record)) for o in opened])
    received = np.concatenate([o.record.received_us for o in opened])
    source = np.repeat(np.arange(len(opened)), [len(o.record) for o in opened])
    bodies = [o.record.body(i) for o in opened for i in range(len(o.record))]
    refusals: list[Refusal] = []

    def refuse(i: int, subject: str, reason: str, detail: str) -> None:
        o = opened[source[i]]
        refusals.append(
            o.refusal(
                int(items[i]) - o.first_item, subject=subject, stage=lines.kind.name.lower(), reason=reason,
                detail=detail,
            )
        )  # fmt: skip

    typed, strange = _typed(bodies, lines)
    if any(_NUL in o.record.buffer for o in opened):
        nul = [i for i, body in enumerate(bodies) if _NUL in body]
        typed, strange = typed.filter(~pl.col(_ITEM).is_in(nul)), [i for i in strange if i not in nul]
        for i in nul:
            refuse(i, "", "bad_line", "the line holds a NUL, which no text may")
    read_alone = []
    for i in strange:
        try:
            parsed = PARSERS[lines.kind](bodies[i])
        except LineError as error:
            refuse(i, "", "bad_line", str(error))
        else:
            read_alone.append({_ITEM: i} | parsed.model_dump())
    if read_alone:
        schema = {_ITEM: pl.Int64(), **lines.table.schema}
        typed = pl.concat([typed, pl.DataFrame(read_alone, schema=schema)]).sort(_ITEM)
    index = typed[_ITEM].to_numpy()
    names = typed[lines.subject].to_list()
    time_us = typed["time"].dt.epoch("us").to_numpy()
    known = keys.named(lines.named, names)
    subject_key = np.array([known.get(name, -1) for name in names], np.int32)
    keep = np.ones(typed.height, np.bool_)

    def require(rows: npt.NDArray[np.bool_], reason: str, detail: str) -> None:
        for row in np.flatnonzero(keep & ~rows).tolist():
            refuse(int(index[row]), names[row], reason, detail)
        keep[:] &= rows

    require(subject_key >= 0, f"unknown_{lines.named}", f"the registry knows no such {lines.named}")
    require(
        is_plausible(time_us, received[index]),
        "implausible_time",
        "the time is before 2000 or more than a day after the line was received",
    )
    if lines is READING_LINES:
        named = keys.factors(typed["factor"].unique().to_list())
        require(
            typed["factor"].is_in(list(named)).to_numpy(),
            "factor_code",
            "a factor code nobody defined, and no more such codes are taken",
        )
    frame = typed.with_columns(
        pl.Series("time_us", time_us),
        pl.Series("subject_key", subject_key),
        pl.Series(_ITEM, items[index]),
    )
    return LineParts(
        frame=frame.filter(pl.Series(keep)),
        subjects=dict(zip(items[index].tolist(), names, strict=True)),
        refusals=refusals,
    )


def reading_rows(parts: LineParts, keys: Keys) -> ReadingRows:
    factors = keys.factors(parts.frame["factor"].unique().to_list())
    return ReadingRows(
        item=parts.ints(_ITEM, np.int32),
        outlet_key=parts.ints("subject_key", np.int32),
        factor_key=_mapped(parts.frame["factor"], factors),
        interval_key=_mapped(parts.frame["interval"], {i.value: k for i, k in INTERVAL_KEYS.items()}),
        time=parts.ints("time_us", np.int64),
        avg=parts.floats("avg"),
        min=parts.floats("min"),
        max=parts.floats("max"),
        converted_avg=parts.floats("converted_avg"),
        total=parts.floats("total"),
        flag=parts.texts("flag"),
    )


def power_rows(parts: LineParts) -> PowerRows:
    return PowerRows(
        item=parts.ints(_ITEM, np.int32),
        meter_key=parts.ints("subject_key", np.int32),
        time=parts.ints("time_us", np.int64),
        kw=parts.floats("kw"),
        kwh=parts.floats("kwh"),
    )


def passage_rows(parts: LineParts) -> PassageRows:
    return PassageRows(
        item=parts.ints(_ITEM, np.int32),
        gate_key=parts.ints("subject_key", np.int32),
        time=parts.ints("time_us", np.int64),
        direction=parts.texts("direction"),
        plate=parts.texts("plate"),
        plate_color=parts.texts("plate_color"),
        stage=parts.texts("stage"),
        fuel=parts.texts("fuel"),
        cargo=parts.texts("cargo"),
        tonnes=parts.floats("tonnes"),
    )


def _typed(bodies: Sequence[bytes], lines: LineKind) -> tuple[pl.DataFrame, list[int]]:
    """The lines polars reads without a doubt, with their index, and the indices of the others."""
    raw_schema: dict[str, pl.DataType] = {
        column.name: pl.Float64() if column.cell is Cell.NUMBER else pl.String()
        for column in lines.table.columns
    }
    parts: list[pl.DataFrame] = []
    strange: list[int] = []

    def read(start: int, end: int) -> None:
        joined = b"\n".join(bodies[start:end])
        try:
            raw = pl.read_ndjson(io.BytesIO(joined), schema=raw_schema)
        except pl.exceptions.ComputeError:
            raw = None
        flat = joined.count(b"\n") == end - start - 1 and joined.count(b"{") == end - start
        if raw is not None and raw.height == end - start and flat and b"[" not in joined:
            parts.append(raw.with_columns(pl.Series(_ITEM, np.arange(start, end))))
        elif end - start == 1:
            strange.append(start)
        else:
            middle = (start + end) // 2
            read(start, middle)
            read(middle, end)

    read(0, len(bodies))
    if not parts:
        return pl.DataFrame(schema={_ITEM: pl.Int64(), **lines.table.schema}), strange
    raw = pl.concat(parts)
    rows = typed_rows(raw, lines.table)
    bad = np.zeros(raw.height, np.bool_)
    bad[[error.row for error in rows.errors]] = True
    if lines.one_of:
        bad |= rows.frame.select(pl.all_horizontal(pl.col(lines.one_of).is_null())).to_series().to_numpy()
    typed = rows.frame.insert_column(0, raw[_ITEM])
    strange += raw[_ITEM].to_numpy()[bad].tolist()
    return typed.filter(pl.Series(~bad)), sorted(strange)


def _mapped(words: pl.Series, keys: Mapping[str, int]) -> npt.NDArray[np.int16]:
    return words.replace_strict(keys, return_dtype=pl.Int16).to_numpy()
