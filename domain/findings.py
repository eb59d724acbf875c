"""Findings: a rule fired on an interval, with evidence an officer can check.

A finding accuses nobody. Its sentences say what the data shows (疑似), the numbers behind them are in
`evidence`, and the innocent explanations stand beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.registry import FactorCode, OutletId, SiteId

#: What may stand in a finding's evidence and parameters: values JSON can hold.
Evidence = Mapping[str, object]


class Family(StrEnum):
    FABRICATION = "fabrication"  # 弄虚作假
    BYPASS = "bypass"  # 旁路偷排
    CAPTURE_RATE = "capture_rate"  # 有效数据捕集率
    DOOR_ACCESS = "door_access"  # 门禁
    COMPLIANCE = "compliance"  # 达标


class Grade(StrEnum):
    """Strength of evidence. A and B may open a clue alone; C needs two families or a person."""

    A = "A"  # deterministic contradiction
    B = "B"  # physically impossible across independent streams
    C = "C"  # statistical


class Verdict(StrEnum):
    """What the data says about one innocent explanation."""

    SUPPORTED = "supported"
    EXCLUDED = "excluded"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Explanation:
    """A competing innocent explanation (stop, fault, calibration …) and what the data says of it."""

    code: str
    zh: str
    en: str
    verdict: Verdict


@dataclass(frozen=True)
class Finding:
    """One rule on one interval `[start, end)` (aware UTC).

    `statistic` is the number the rule judged and `statistic_name` says what it is with its unit;
    `null_model` names the reference behind `p_value` (None: the rule is deterministic).
    """

    rule: str
    version: int
    family: Family
    grade: Grade
    site_id: SiteId
    outlet_id: OutletId | None
    subject: str  # what the interval belongs to: an outlet, a meter pair, a line
    factor: str | None
    start: datetime
    end: datetime
    statistic: float
    statistic_name: str
    sentence_zh: str
    sentence_en: str
    p_value: float | None = None
    null_model: str | None = None
    evidence: Evidence = field(default_factory=dict)
    explanations: tuple[Explanation, ...] = ()
    parameters: Evidence = field(default_factory=dict)
    legal_bases: tuple[str, ...] = ()

    @property
    def finding_id(self) -> str:
        """The same data gives the same id: 128 bits over rule, version, parameters, subject and interval."""
        identity = [
            self.rule,
            self.version,
            json.dumps(self.parameters, sort_keys=True, default=str),
            self.site_id,
            self.outlet_id,
            self.subject,
            self.factor,
            self.start.isoformat(),
            self.end.isoformat(),
        ]
        text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class CaptureRate:
    """有效数据捕集率 of one outlet, factor and quarter (HJ 75-2017 §12.1.3). Hours are whole clock hours.

    elapsed = stopped + valid + invalid. `rate` = valid / (elapsed - stopped), None when nothing ran.
    `rate_believed` counts unbelieved stops (marked stopped while power or flow ran) as invalid running hours.
    `best_possible` is the rate if every hour still to come is valid.
    """

    outlet_id: OutletId
    factor: FactorCode
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
class RankedOutlet:
    """Where an outlet stands after a run; `outlet_id` None is the site as a whole.

    `score` is 0 to 1 and orders the queue; `e_value` is the combined evidence against honest data (1 = none);
    `listed` says that e-BH at 5 % keeps it on the formal list. Never shown without `families`.
    """

    site_id: SiteId
    outlet_id: OutletId | None
    score: float
    e_value: float
    listed: bool
    families: tuple[Family, ...]
