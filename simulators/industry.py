"""Kinds of plants, read from `simulators/data/industries.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from domain.errors import DataFileError, UnknownName
from domain.registry import FactorCode
from domain.standards import SourceType, source_types

FILE = Path(__file__).parent / "data" / "industries.toml"
STRICT = ConfigDict(extra="forbid")


class Pattern(StrEnum):
    """How load runs through days and weeks."""

    DISPATCH = "dispatch"
    STEADY = "steady"
    CAMPAIGN = "campaign"
    SHIFT = "shift"
    HEATING = "heating"


@dataclass(frozen=True, config=STRICT)
class Pollutant:
    """`share` of the hour limit an operator aims at; `spread` log deviation; `untreated` times that without
    treatment."""

    factor: FactorCode
    share: float
    spread: float
    untreated: float


@dataclass(frozen=True, config=STRICT)
class Industry:
    """One line of a typical plant; units in the names, flow is dry standard."""

    id: str
    zh: str
    source_type: str
    pattern: Pattern
    load_mean: float
    load_min: float
    stop_gap_days: float
    stop_days: float
    stopping_hours: int
    starting_hours: int
    o2_percent: float
    o2_slope: float
    flow_m3_s: float
    velocity_m_s: float
    temperature_c: float
    moisture_percent: float
    pressure_kpa: float
    production_kw: float
    treatment_kw: float
    treatment_units: int
    spare_units: int
    trucks_per_day: float
    cargoes_in: tuple[str, ...]
    cargoes_out: tuple[str, ...]
    pollutants: tuple[Pollutant, ...]

    @property
    def source(self) -> SourceType:
        return source_types()[self.source_type]


@cache
def industries() -> Mapping[str, Industry]:
    """All kinds by id. Raises DataFileError naming the entry."""
    try:
        document = tomllib.loads(FILE.read_text(encoding="utf-8"))
        entries = TypeAdapter(tuple[Industry, ...]).validate_python(document["industry"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise DataFileError(f"{FILE.name}: {error}") from error
    return MappingProxyType({entry.id: entry for entry in entries})


def industry(industry_id: str) -> Industry:
    """Raises UnknownName."""
    try:
        return industries()[industry_id]
    except KeyError:
        raise UnknownName(f"unknown industry {industry_id!r}; known: {', '.join(industries())}") from None
