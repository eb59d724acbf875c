"""What really happened, as recorded beside the data: planted acts and honest near-misses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.registry import FactorCode, OutletId, SiteId


@dataclass(frozen=True)
class Truth:
    """One act over `[start, end)`, aware UTC. `expected_rules`: any of them finds it; empty: no rule yet."""

    kind: str
    site_id: SiteId
    outlet_id: OutletId
    factors: tuple[FactorCode, ...]
    start: datetime
    end: datetime
    severity: float
    expected_rules: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """Something honest that looks like an act."""

    kind: str
    site_id: SiteId
    outlet_id: OutletId
    factors: tuple[FactorCode, ...]
    start: datetime
    end: datetime
    text: str
