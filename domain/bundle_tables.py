"""The tables of a bundle: their columns, and how a cell becomes a typed value.

The same rules read a CSV file, a Parquet file and the JSON lines that travel through Kafka. Times without a
zone are Asia/Shanghai and become UTC; words are accepted in Chinese and English (words.toml, marks.toml); old
factor codes become HJ 212-2017 codes, private codes stay; empty text and NaN are null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import MappingProxyType

import polars as pl

from domain.errors import UnknownName
from domain.standards import canonical_factor, mark_kinds
from domain.words import vocabularies

TIME = pl.Datetime("us", "UTC")


class Cell(Enum):
    """What a column holds, and the polars type it is read into."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    WORD = "word"


Vocabulary = Callable[[str], str]


@dataclass(frozen=True)
class Column:
    """A required column must be there and filled in every row."""

    name: str
    cell: Cell = Cell.TEXT
    required: bool = False
    word: Vocabulary | None = None  # WORD: our word for what was written; raises UnknownName
    references: str = ""  # the table whose id this is


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]  # rows must differ in it; () where repeated rows are the writer's to judge

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns in order with the types `typed_rows` gives them."""
        types = {Cell.TEXT: pl.String(), Cell.NUMBER: pl.Float64(), Cell.TIME: TIME, Cell.WORD: pl.String()}
        return {column.name: types[column.cell] for column in self.columns}


@dataclass(frozen=True)
class CellError:
    """One cell that cannot be read; `row` counts from 0."""

    row: int
    column: str
    text: str


@dataclass(frozen=True)
class TypedRows:
    """`frame` has the table's schema and the rows given, in order; a bad cell is null and in `errors`."""

    frame: pl.DataFrame
    errors: tuple[CellError, ...]


def typed_rows(raw: pl.DataFrame, table: Table) -> TypedRows:
    """Read the cells of `raw` as the columns of `table`; absent columns are null, extra ones are dropped."""
    columns: list[pl.Series] = []
    errors: list[CellError] = []
    for column in table.columns:
        series = (
            raw[column.name]
            if column.name in raw.columns
            else pl.Series(column.name, [None] * raw.height, dtype=pl.String)
        )
        typed, why = _READERS[column.cell](series, column)
        columns.append(typed.alias(column.name))
        errors += why
        if column.required:
            bad = {error.row for error in why}
            empty = typed.is_null().arg_true().to_list()
            errors += [CellError(row, column.name, "is empty") for row in empty if row not in bad]
    errors.sort(key=lambda error: error.row)
    return TypedRows(pl.DataFrame(columns, schema=table.schema), tuple(errors))


def _texts(series: pl.Series) -> pl.Series:
    """As stripped text, empty cells null."""
    text = series if series.dtype == pl.String else series.cast(pl.String, strict=False)
    text = text.str.strip_chars()
    return text.set(text == "", None)


def _refused(series: pl.Series, typed: pl.Series, what: str, column: str) -> list[CellError]:
    rows = (series.is_not_null() & typed.is_null()).arg_true().to_list()
    return [CellError(row, column, f"{series[row]!r} is not {what}") for row in rows]


def _read_text(series: pl.Series, column: Column) -> tuple[pl.Series, list[CellError]]:
    if series.dtype.is_nested():
        series = series.map_elements(str, return_dtype=pl.String)
    return _texts(series), []


def _read_number(series: pl.Series, column: Column) -> tuple[pl.Series, list[CellError]]:
    given = series if series.dtype.is_numeric() else _texts(series)
    if given.dtype == pl.String:
        given = given.set(given.str.to_lowercase().is_in(["nan", "na", "null"]), None)
    number = given.cast(pl.Float64, strict=False).fill_nan(None)
    number = number.set(number.is_infinite(), None)
    if given.dtype.is_float():
        given = given.fill_nan(None)
    return number, _refused(given, number, "a number", column.name)


def _read_time(series: pl.Series, column: Column) -> tuple[pl.Series, list[CellError]]:
    if isinstance(series.dtype, pl.Datetime):
        stamps = series.dt.cast_time_unit("us")
        if series.dtype.time_zone is None:
            return _shanghai(stamps), []
        return stamps.dt.convert_time_zone("UTC"), []
    if series.dtype == pl.Date:
        return _shanghai(series.cast(pl.Datetime("us"))), []
    text = _texts(series)
    time = parse_times(text)
    return time, _refused(text, time, "a time; write 2026-01-31T08:00:00", column.name)


def _read_word(series: pl.Series, column: Column) -> tuple[pl.Series, list[CellError]]:
    text = _texts(series)
    words: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    assert column.word is not None
    for spelling in text.unique().drop_nulls().to_list():
        try:
            words[spelling] = column.word(spelling)
        except UnknownName as error:
            words[spelling] = None
            reasons[spelling] = str(error)
    typed = text.replace_strict(words, default=None, return_dtype=pl.String) if words else text
    rows = (text.is_not_null() & typed.is_null()).arg_true().to_list() if reasons else []
    return typed, [CellError(row, column.name, reasons[text[row]]) for row in rows]


_READERS = {
    Cell.TEXT: _read_text,
    Cell.NUMBER: _read_number,
    Cell.TIME: _read_time,
    Cell.WORD: _read_word,
}

_NAIVE_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_ZONED_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")


def parse_times(text: pl.Series) -> pl.Series:
    """ISO times, `T` or blank between, `-` or `/` in the date, to UTC; null where it is none.

    Without a zone the time is Asia/Shanghai. Fractions finer than a microsecond are cut.
    """
    plain = text.str.replace_all("/", "-", literal=True).str.replace(" ", "T", literal=True)
    times = pl.Series(text.name, [None] * len(text), dtype=TIME)
    for pattern in (*_NAIVE_FORMATS, *_ZONED_FORMATS):
        left = plain.is_not_null() & times.is_null()
        if not left.any():
            break
        found = plain.filter(left).str.to_datetime(pattern, time_unit="us", strict=False)
        if pattern in _NAIVE_FORMATS:
            found = _shanghai(found)
        times = times.scatter(left.arg_true(), found) if not left.all() else found
    return times


def _shanghai(naive: pl.Series) -> pl.Series:
    # a fixed eight hours: the zone database has summer time in 1986-1991, devices and standards have none
    return naive.dt.offset_by("-8h").dt.replace_time_zone("UTC")


def _vocabulary(name: str) -> Vocabulary:
    return partial(_word_of, name)


def _word_of(name: str, text: str) -> str:
    return vocabularies()[name].word(text)


def factor_code(text: str) -> str:
    """HJ 212-2017 code of a factor as written; a private code stays as it is."""
    return canonical_factor(text) or text


def _mark_kind(text: str) -> str:
    kind = mark_kinds().get(text)
    if kind is None:
        known = ", ".join(sorted({k.id for k in mark_kinds().values()}))
        raise UnknownName(f"mark {text!r} is not known; known: {known}")
    return kind.id


def _text(name: str, *, required: bool = False, references: str = "") -> Column:
    return Column(name, required=required, references=references)


def _number(name: str, *, required: bool = False) -> Column:
    return Column(name, Cell.NUMBER, required)


def _time(name: str, *, required: bool = False) -> Column:
    return Column(name, Cell.TIME, required)


def _word(name: str, word: Vocabulary, *, required: bool = False) -> Column:
    return Column(name, Cell.WORD, required, word)


_ALL = (
    Table(
        "sites",
        (
            _text("site_id", required=True), _text("name"), _text("industry"), _text("region_code"),
            _number("lon"), _number("lat"), _text("grade"),
        ),
        ("site_id",),
    ),
    Table(
        "outlets",
        (
            _text("outlet_id", required=True), _text("site_id", required=True, references="sites"),
            _text("name"), _text("source_type"), _number("reference_o2"), _text("mn"),
            _text("flag_dictionary"),
        ),
        ("outlet_id",),
    ),
    Table(
        "limits",
        (
            _text("outlet_id", required=True, references="outlets"),
            _word("factor", factor_code, required=True), _number("limit", required=True),
            _word("basis", _vocabulary("basis")), _word("averaging", _vocabulary("averaging")),
            _time("valid_from"), _time("valid_to"),
        ),
        ("outlet_id", "factor", "averaging", "basis", "valid_from"),
    ),
    Table(
        "readings",
        (
            _text("outlet_id", required=True, references="outlets"), _time("time", required=True),
            _word("interval", _vocabulary("interval"), required=True),
            _word("factor", factor_code, required=True), _number("avg"), _number("min"), _number("max"),
            _number("converted_avg"), _number("total"), _text("flag"),
        ),
        (),
    ),
    Table(
        "meters",
        (
            _text("meter_id", required=True), _text("site_id", required=True, references="sites"),
            _word("role", _vocabulary("role"), required=True), _text("line"), _number("rated_kw"),
            _text("outlet_id", references="outlets"),
        ),
        ("meter_id",),
    ),
    Table(
        "power",
        (
            _text("meter_id", required=True, references="meters"), _time("time", required=True),
            _number("kw"), _number("kwh"),
        ),
        (),
    ),
    Table(
        "gates",
        (_text("gate_id", required=True), _text("site_id", required=True, references="sites"), _text("name")),
        ("gate_id",),
    ),
    Table(
        "passages",
        (
            _text("gate_id", required=True, references="gates"), _time("time", required=True),
            _word("direction", _vocabulary("direction"), required=True), _text("plate", required=True),
            _word("plate_color", _vocabulary("plate_color")), _word("stage", _vocabulary("stage")),
            _word("fuel", _vocabulary("fuel")), _text("cargo"), _number("tonnes"),
        ),
        (),
    ),
    Table(
        "marks",
        (
            _text("outlet_id", required=True, references="outlets"), _time("start", required=True),
            _time("end", required=True), _word("kind", _mark_kind, required=True), _time("entered_at"),
        ),
        ("outlet_id", "start", "kind"),
    ),
    Table(
        "alerts",
        (
            _text("region_code", required=True), _word("level", _vocabulary("level"), required=True),
            _time("start", required=True), _time("end", required=True),
        ),
        ("region_code", "start", "level"),
    ),
    Table(
        "measures",
        (
            _text("site_id", required=True, references="sites"), _text("line"),
            _word("level", _vocabulary("level"), required=True),
            _word("kind", _vocabulary("measure"), required=True), _number("limit_percent"),
        ),
        ("site_id", "line", "level", "kind"),
    ),
)  # fmt: skip

#: design.md §4 'Bundle', by file name without its ending.
TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _ALL})
