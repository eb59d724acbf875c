"""The contract of a rule: data about it, and one pure method.

A rule is one file in `detectors/rules/` and one entry in `detectors/catalogue/`; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from detectors.window import Window
from domain.findings import CaptureRate, Family, Finding, Grade

STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=STRICT)
class Parameter:
    """A number of a rule, as data: its default, unit and meaning."""

    default: float
    unit: str
    zh: str
    en: str


@validated(frozen=True, config=STRICT)
class Innocence:
    """An innocent explanation every finding of a rule must weigh, in words."""

    zh: str
    en: str


@validated(frozen=True, config=STRICT)
class RuleEntry:
    """What the catalogue says of a rule; sentences are templates filled from the finding's evidence.

    `fixed_e` is the evidence a finding without p-value adds to the ranking; None: by grade
    (detectors/ranking.py).
    """

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
    explanations: Mapping[str, Innocence] = field(default_factory=dict)  # code -> words, in order of display
    fixed_e: float | None = None

    @property
    def defaults(self) -> dict[str, float]:
        """Parameter values by name, to build the rule from."""
        return {name: parameter.default for name, parameter in self.parameters.items()}


@dataclass(frozen=True)
class Abstention:
    """The rule could not judge a subject, and why."""

    rule: str
    subject: str
    zh: str
    en: str


@dataclass(frozen=True)
class Outcome:
    """All a rule says about one window."""

    findings: tuple[Finding, ...] = ()
    abstentions: tuple[Abstention, ...] = ()
    capture_rates: tuple[CaptureRate, ...] = ()


class Rule(Protocol):
    """Frozen dataclass of parameters with the same names and units as its catalogue entry."""

    @property
    def entry(self) -> RuleEntry: ...

    def evaluate(self, window: Window) -> Outcome:
        """Judge one window. Pure: equal windows give equal outcomes, in any order and any thread."""
        ...
