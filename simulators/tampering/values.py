"""Acts on the shown values: frozen, squeezed below the limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.measured import MISSING, SOUND, rounded
from simulators.tampering.act import Act, Scene


@dataclass(frozen=True, kw_only=True)
class ConstantValue(Act):
    """恒值: the register keeps the value of the last sound interval; calibrations go on as scheduled."""

    kind = "constant_value"
    expected_rules = ("fabrication.constant",)

    def on_shown(self, scene: Scene) -> None:
        shown, steps = scene.of(self.outlet_id), scene.timeline.span(self.start, self.end)
        for row in shown.rows(self.factors):
            sound = np.isin(shown.condition[row], SOUND)
            hit = np.flatnonzero(sound[steps]) + steps.start
            if not hit.size:
                continue
            before = np.flatnonzero(sound[: steps.start])
            frozen = shown.avg[row, before[-1] if before.size else hit[0]]
            for plane in (shown.avg, shown.min, shown.max):
                plane[row, hit] = frozen


@dataclass(frozen=True, kw_only=True)
class ClippedBelowLimit(Act):
    """贴限: values above `ceiling_mg_m3` are pressed into a band just below it. Only the named factors."""

    kind: ClassVar[str] = "clipped_below_limit"
    ceiling_mg_m3: float
    band_share: float = 0.05

    def on_shown(self, scene: Scene) -> None:
        shown, steps = scene.of(self.outlet_id), scene.timeline.span(self.start, self.end)
        ceiling, band = self.ceiling_mg_m3, self.ceiling_mg_m3 * self.band_share
        for row in shown.rows(self.factors):
            code = shown.factors[row]
            for plane in (shown.min, shown.avg, shown.max):
                values = plane[row, steps]
                above = (values > ceiling - band) & (shown.condition[row, steps] != MISSING)
                pressed = ceiling - band * np.exp(-(values - ceiling + band) / (4 * band))
                values[above] = rounded(code, pressed)[above]
