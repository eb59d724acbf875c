"""An act: what somebody does to one outlet over an interval, and what of it is true.

Acts compose: each changes only its own interval, through the hooks of `Act`. Intervals lie on
full hours, so that an act touches whole hour rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from domain.clock import MICROSECONDS_PER_HOUR, to_microseconds
from domain.registry import FactorCode, Mark, OutletId, SiteId
from simulators.errors import SimulationError
from simulators.measured import Measured
from simulators.streams import Floats
from simulators.tampering.truth import Truth
from simulators.timeline import Timeline


@dataclass(frozen=True)
class Scene:
    """What is shown at every outlet of one plant, ten-minute rows; acts change it in place."""

    timeline: Timeline
    shown: Mapping[OutletId, Measured]

    def of(self, outlet_id: OutletId) -> Measured:
        try:
            return self.shown[outlet_id]
        except KeyError:
            raise SimulationError(
                f"an act names outlet {outlet_id!r}, which its plant does not have"
            ) from None


@dataclass(frozen=True, kw_only=True)
class Act:
    """`factors` empty: all of the outlet. Raises SimulationError unless the interval is of full hours."""

    kind: ClassVar[str]
    expected_rules: ClassVar[tuple[str, ...]] = ()

    site_id: SiteId
    outlet_id: OutletId
    start: datetime
    end: datetime
    factors: tuple[FactorCode, ...] = ()

    def __post_init__(self) -> None:
        bounds = to_microseconds(self.start), to_microseconds(self.end)
        if bounds[0] >= bounds[1] or any(time % MICROSECONDS_PER_HOUR for time in bounds):
            raise SimulationError(
                f"{self.kind} at {self.outlet_id}: {self.start.isoformat()} to {self.end.isoformat()} "
                "is not a span of full hours"
            )

    @property
    def severity(self) -> float:
        """0 to 1, what the act is worth to who does it; its meaning is said by the kind."""
        return 1.0

    def on_treatment(self, steps: slice, unit_kw: Floats, treated: Floats) -> None:
        """Change the kW of treatment units (units, T) and the treated share (T) inside `steps`."""

    def on_shown(self, scene: Scene) -> None:
        """Change the ten-minute rows before hour means are made."""

    def on_hours(self, hours: slice, shown: Measured) -> None:
        """Change the hour rows alone."""

    def on_reference(self, intervals: slice, reference_o2: Floats) -> None:
        """Change the reference O2 the device folds to."""

    def marks(self) -> tuple[Mark, ...]:
        """What the plant declares along with the act."""
        return ()

    def truth(self) -> Truth:
        return Truth(
            self.kind,
            self.site_id,
            self.outlet_id,
            self.factors,
            self.start,
            self.end,
            self.severity,
            self.expected_rules,
        )
