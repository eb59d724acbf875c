"""The contract of a rule: data about it, and one pure method.

A rule is one file in `detectors/rules/` and one entry in `detectors/catalogue.toml`; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from detectors.window import Window
from domain.findings import Family, Finding, Grade


@dataclass(frozen=True)
class Parameter:
    """A number of a rule, as data: its default, unit and meaning."""

    default: float
    unit: str
    zh: str
    en: str


@dataclass(frozen=True)
class RuleEntry:
    """What the catalogue says of a rule; sentences are templates filled from the finding's evidence."""

    id: str  # family.name, e.g. fabrication.replay
    version: int
    family: Family
    grade: Grade
    title_zh: str
    title_en: str
    sentence_zh: str
    sentence_en: str
    legal_bases: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True)
class Abstention:
    """The rule could not judge a subject, and why."""

    rule: str
    subject: str
    zh: str
    en: str


@dataclass(frozen=True)
class CaptureRate:
    """有效数据捕集率 of one outlet, factor and quarter (HJ 75-2017 §12.1.3). Hours are whole clock hours.

    elapsed = stopped + valid + invalid. `rate` = valid / (elapsed - stopped), None when nothing ran.
    `rate_believed` counts unbelieved stops (marked stopped while power or flow ran) as invalid running hours.
    `best_possible` is the rate if every hour still to come is valid.
    """

    outlet_id: str
    factor: str
    quarter: str
    calendar_hours: int
    elapsed_hours: int
    stopped_hours: int
    valid_hours: int
    invalid_hours: int
    unbelieved_hours: int
    rate: float | None
    rate_believed: float | None
    best_possible: float | None
    lost_by_cause: Mapping[str, int]  # condition -> hours


@dataclass(frozen=True)
class Outcome:
    """All a rule says about one window."""

    findings: tuple[Finding, ...] = ()
    abstentions: tuple[Abstention, ...] = ()
    capture_rates: tuple[CaptureRate, ...] = ()


class Rule(Protocol):
    """Frozen dataclass of parameters with the same names and units as its catalogue entry."""

    entry: RuleEntry

    def evaluate(self, window: Window) -> Outcome:
        """Judge one window. Pure: equal windows give equal outcomes, in any order and any thread."""
        ...
