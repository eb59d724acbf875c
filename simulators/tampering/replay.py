"""回放: rows of another time, or of another outlet of the plant, sent as today's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.registry import OutletId
from simulators.errors import SimulationError
from simulators.measured import rounded
from simulators.tampering.act import Act, Scene


@dataclass(frozen=True, kw_only=True)
class Replay(Act):
    """The named factors repeat what `source_outlet` (None: the same) showed from `source_start` on.

    Conditions come along, as a script that plays back rows does. `offset` is added to every sound value.
    """

    kind = "replay"
    expected_rules = ("fabrication.replay",)

    source_start: datetime
    source_outlet: OutletId | None = None
    offset: float = 0.0

    def on_shown(self, scene: Scene) -> None:
        target = scene.of(self.outlet_id)
        source = scene.of(self.source_outlet or self.outlet_id)
        steps = scene.timeline.span(self.start, self.end)
        first = scene.timeline.step_of(self.source_start)
        last = first + steps.stop - steps.start
        if first < 0 or last > source.present.size:
            raise SimulationError(
                f"replay at {self.outlet_id}: its source {self.source_start.isoformat()} is not simulated"
            )
        for row in target.rows(self.factors):
            code = target.factors[row]
            origin = source.factors.index(code)
            kept = target.present[steps] & source.present[first:last]
            for to, of in ((target.avg, source.avg), (target.min, source.min), (target.max, source.max)):
                values = of[origin, first:last].copy()
                if self.offset:
                    values = rounded(code, np.where(values > 0, (values + self.offset).clip(0), values))
                to[row, steps][kept] = values[kept]
            target.condition[row, steps][kept] = source.condition[origin, first:last][kept]


@dataclass(frozen=True, kw_only=True)
class OffsetReplay(Replay):
    """A replay lifted by a constant."""

    kind = "offset_replay"


@dataclass(frozen=True, kw_only=True)
class CrossReplay(Replay):
    """A replay of a neighbour."""

    kind = "cross_replay"
