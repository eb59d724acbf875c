"""Acts on what is declared: stopped while running, an instrument that stays broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from domain.registry import Mark
from domain.standards import CONDITION_CODES, Condition
from simulators.measured import MISSING
from simulators.tampering.act import Act, Scene


@dataclass(frozen=True, kw_only=True)
class MarkedStopped(Act):
    """标停未停: every row says F while the line runs; the values are left as they are; the mark is
    entered too."""

    kind = "marked_stopped"
    expected_rules = ("fabrication.stopped_running",)

    def on_shown(self, scene: Scene) -> None:
        shown, steps = scene.of(self.outlet_id), scene.timeline.span(self.start, self.end)
        conditions = shown.condition[:, steps]
        conditions[conditions != MISSING] = CONDITION_CODES[Condition.STOPPED]

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.outlet_id, self.start, self.end, "stopped", self.start + timedelta(hours=1)),)


@dataclass(frozen=True, kw_only=True)
class LongFault(Act):
    """捕集率不足: an instrument left broken for weeks, honestly flagged; the capture rate falls."""

    kind = "capture_rate_loss"
    expected_rules = ("capture_rate.low",)

    def on_shown(self, scene: Scene) -> None:
        shown, steps = scene.of(self.outlet_id), scene.timeline.span(self.start, self.end)
        kept = (MISSING, CONDITION_CODES[Condition.STOPPED])
        for row in shown.rows(self.factors):
            hit = ~np.isin(shown.condition[row, steps], kept)
            for plane in (shown.avg, shown.min, shown.max):
                plane[row, steps][hit] = 0.0
            shown.condition[row, steps][hit] = CONDITION_CODES[Condition.FAULT]
