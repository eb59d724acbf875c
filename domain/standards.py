"""Loads the dated data files of `domain/data`, each against its schema.

Factor codes and units: HJ 212-2017 table B.2. Flags: HJ 212-2017 table 8, HJ 75/76-2017, HJ/T 212-2005.
Every file names its sources and the date it was last checked; entries may carry validity dates.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from domain.errors import DataFileError, UnknownName
from domain.registry import FactorCode

DATA = Path(__file__).parent / "data"
STRICT = ConfigDict(extra="forbid")


class Condition(StrEnum):
    """What a flag means, whatever letter a source uses for it."""

    VALID = "valid"  # counts as captured
    OVER_RANGE = "over_range"  # above the measuring limit: captured, value truncated
    STOPPED = "stopped"  # source stopped: outside numerator and denominator
    STARTING = "starting"
    STOPPING = "stopping"
    BANKED = "banked"  # 闷炉
    MAINTENANCE = "maintenance"
    CALIBRATION = "calibration"
    FAULT = "fault"
    COMMS_FAULT = "comms_fault"
    MANUAL = "manual"  # hand-entered set value
    MISSING = "missing"
    UNKNOWN = "unknown"  # a letter this source's dictionary does not define: kept, never valid


#: Conditions as small integers for arrays. Order is fixed: kernels and hour words rely on it.
CONDITION_CODES: Mapping[Condition, int] = MappingProxyType({c: i for i, c in enumerate(Condition)})


@dataclass(frozen=True, config=STRICT)
class Factor:
    """A monitored factor. Concentrations mg/m³ unless `unit` says otherwise; totals in `total_unit`."""

    key: int  # stored as smallint, never reused
    code: FactorCode
    zh: str
    en: str
    unit: str
    kind: str  # pollutant | parameter | flow
    decimals: int
    plausible_min: float
    plausible_max: float
    total_unit: str = ""
    converted: bool = False  # 折算 to reference O2 applies
    old_codes: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class FlagMeaning:
    flag: str
    condition: Condition
    zh: str
    en: str


@dataclass(frozen=True, config=STRICT)
class FlagDictionary:
    """The letters of one source. `B` is comms fault in HJ 212-2017 and 闷炉 in HJ 75."""

    id: str
    zh: str
    en: str
    source: str
    flags: tuple[FlagMeaning, ...]

    def condition(self, flag: str) -> Condition:
        """The meaning of a letter; letters outside the dictionary are UNKNOWN, an empty one VALID.

        A frame without flags comes from a device that sends none: its values are taken as they are.
        """
        if not flag:
            return Condition.VALID
        for meaning in self.flags:
            if meaning.flag == flag:
                return meaning.condition
        return Condition.UNKNOWN


@dataclass(frozen=True, config=STRICT)
class SourceType:
    id: str
    zh: str
    en: str
    standard: str
    effective_from: date
    limits: dict[str, float]  # factor code -> mg/m³, hour mean
    effective_to: date | None = None
    reference_o2_percent: float | None = None  # None: no conversion


@dataclass(frozen=True, config=STRICT)
class LegalBasis:
    id: str
    zh: str
    en: str
    article: str
    effective_from: date
    effective_to: date | None = None
    confidence: str = "verify"  # 'verified' once checked against the text in force


@dataclass(frozen=True, config=STRICT)
class MarkKind:
    """A word plants use in marks; `plane` says what it claims about the interval."""

    id: str
    zh: str
    en: str
    plane: Condition


def load_entries(name: str, table: str, kind: Any) -> Any:
    """The entries of one data file as `kind`. Raises DataFileError naming file and entry."""
    path = DATA / name
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(kind).validate_python(document[table])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise DataFileError(f"{path.name}: {error}") from error


@cache
def factors() -> Mapping[FactorCode, Factor]:
    """All factors by HJ 212-2017 code."""
    entries: tuple[Factor, ...] = load_entries("factors.toml", "factor", tuple[Factor, ...])
    keys = [f.key for f in entries]
    if len(set(keys)) != len(keys):
        raise DataFileError("factors.toml: a factor key is used twice")
    return MappingProxyType({f.code: f for f in entries})


@cache
def _codes() -> Mapping[str, FactorCode]:
    codes: dict[str, FactorCode] = {}
    for factor in factors().values():
        codes[factor.code] = factor.code
        for old in factor.old_codes:
            codes.setdefault(old, factor.code)
    return MappingProxyType(codes)


def canonical_factor(code: str) -> FactorCode | None:
    """Map a code as sent (2017, or 2005 such as `02`, `S01`, `B02`) to the HJ 212-2017 code, else None."""
    return _codes().get(code)


def factor(code: str) -> Factor:
    """The factor of a canonical code. Raises UnknownName."""
    try:
        return factors()[FactorCode(code)]
    except KeyError:
        raise UnknownName(f"unknown factor {code!r}; add it to domain/data/factors.toml") from None


@cache
def flag_dictionaries() -> Mapping[str, FlagDictionary]:
    entries: tuple[FlagDictionary, ...] = load_entries("flags.toml", "dictionary", tuple[FlagDictionary, ...])
    return MappingProxyType({d.id: d for d in entries})


def flag_dictionary(dictionary_id: str) -> FlagDictionary:
    """Raises UnknownName."""
    try:
        return flag_dictionaries()[dictionary_id]
    except KeyError:
        known = ", ".join(flag_dictionaries())
        raise UnknownName(f"unknown flag dictionary {dictionary_id!r}; known: {known}") from None


@cache
def source_types() -> Mapping[str, SourceType]:
    entries: tuple[SourceType, ...] = load_entries("source_types.toml", "source_type", tuple[SourceType, ...])
    return MappingProxyType({s.id: s for s in entries})


@cache
def legal_bases() -> Mapping[str, LegalBasis]:
    entries: tuple[LegalBasis, ...] = load_entries("legal_bases.toml", "basis", tuple[LegalBasis, ...])
    return MappingProxyType({b.id: b for b in entries})


@cache
def mark_kinds() -> Mapping[str, MarkKind]:
    """Mark words by id and by Chinese word."""
    entries: tuple[MarkKind, ...] = load_entries("marks.toml", "mark", tuple[MarkKind, ...])
    return MappingProxyType({word: m for m in entries for word in (m.id, m.zh)})
