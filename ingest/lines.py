"""One line of NDJSON: a reading, a power value or a passage, with the columns of the bundle's tables.

What the HTTP receiver takes, the importer writes and the writer reads. Times are ISO 8601, naive ones on the
clock of Asia/Shanghai, and come out aware UTC; words are accepted in Chinese and English
(`domain/data/words.toml`) and come out as ours; numbers are finite.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domain.clock import Interval, as_utc
from domain.errors import UnknownName
from domain.standards import canonical_factor
from domain.words import vocabularies
from ingest.errors import LineError
from ingest.records import Kind

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def _only_text(value: object) -> object:
    # pydantic would take a bare number for seconds since 1970: no table of ours means that
    if not isinstance(value, str | datetime) or (isinstance(value, str) and "-" not in value):
        raise ValueError("write the time as 2026-11-20T10:00:00 or 2026-11-20 10:00:00")
    return value


def _moment(value: datetime) -> datetime:
    time = as_utc(value)
    if not EARLIEST <= time < LATEST:
        raise ValueError(f"the year {time.year} is outside 2000 to 2099")
    return time


def _in(vocabulary: str) -> BeforeValidator:
    def word(value: object) -> object:
        if value is None or value == "":
            return None
        try:
            return vocabularies()[vocabulary].word(str(value))
        except UnknownName as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(word)


def _factor(code: str) -> str:
    return canonical_factor(code) or code


Moment = Annotated[datetime, BeforeValidator(_only_text), AfterValidator(_moment)]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Amount = Annotated[float, Field(ge=0)]


class _Line(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        str_strip_whitespace=True,
    )


class ReadingLine(_Line):
    """One factor of one outlet over one interval; `time` is its start. Units: domain/data/factors.toml."""

    outlet_id: Id
    time: Moment
    interval: Annotated[Interval, _in("interval")]
    factor: Annotated[str, Field(min_length=1, max_length=12), AfterValidator(_factor)]
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    converted_avg: float | None = None
    total: float | None = None
    flag: Annotated[str, Field(max_length=4)] = ""


class PowerLine(_Line):
    """One meter at one time: active power in kW, energy of the interval in kWh; one of them at least."""

    meter_id: Id
    time: Moment
    kw: float | None = None
    kwh: float | None = None


class PassageLine(_Line):
    """One vehicle through one gate; `stage` 0 to 6, D (electric) or X, `tonnes` of cargo."""

    gate_id: Id
    time: Moment
    direction: Annotated[str, _in("direction")]
    plate: Annotated[str, Field(min_length=1, max_length=16)]
    plate_color: Annotated[str | None, Field(max_length=32), _in("plate_color")] = None
    stage: Annotated[str | None, Field(max_length=32), _in("stage")] = None
    fuel: Annotated[str | None, Field(max_length=32), _in("fuel")] = None
    cargo: Annotated[str | None, Field(max_length=64)] = None
    tonnes: Amount | None = None


def parse_reading(body: bytes) -> ReadingLine:
    """Raises LineError naming the column."""
    return _parse(ReadingLine, body)


def parse_power(body: bytes) -> PowerLine:
    """Raises LineError naming the column."""
    line = _parse(PowerLine, body)
    if line.kw is None and line.kwh is None:
        raise LineError("kw", "neither kw nor kwh is given; one of them is needed")
    return line


def parse_passage(body: bytes) -> PassageLine:
    """Raises LineError naming the column."""
    return _parse(PassageLine, body)


AnyLine = ReadingLine | PowerLine | PassageLine

Line = TypeVar("Line", bound=_Line)

#: How to read the items of a record of each kind of line.
PARSERS: dict[Kind, Callable[[bytes], AnyLine]] = {
    Kind.READING_LINE: parse_reading,
    Kind.POWER_LINE: parse_power,
    Kind.PASSAGE_LINE: parse_passage,
}


def _parse(model: type[Line], body: bytes) -> Line:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _line_error(model, error) from None


def _line_error(model: type[_Line], error: ValidationError) -> LineError:
    first = error.errors(include_url=False, include_input=False)[0]
    column = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return LineError(column, "the column is missing")
    if first["type"] == "extra_forbidden":
        return LineError(column, f"no such column; known: {', '.join(model.model_fields)}")
    if first["type"] == "value_error":
        return LineError(column, str(first["ctx"]["error"]))
    return LineError(column, first["msg"])
