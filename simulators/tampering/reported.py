"""Acts on what is derived: folding to another O2, O2 forged, hours edited apart from their minutes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.standards import factor
from simulators.measured import OXYGEN, SOUND, Measured, rounded
from simulators.streams import Floats
from simulators.tampering.act import Act, Scene


@dataclass(frozen=True, kw_only=True)
class WrongReference(Act):
    """折算造假: the device folds to `reference_o2_percent` instead of the outlet's own."""

    kind = "wrong_reference"
    expected_rules = ("fabrication.conversion",)

    reference_o2_percent: float

    def on_reference(self, intervals: slice, reference_o2: Floats) -> None:
        reference_o2[intervals] = self.reference_o2_percent


@dataclass(frozen=True, kw_only=True)
class OxygenForgedLow(Act):
    """O2 shown `shift_percent` too low: everything folds consistently, and too low."""

    kind = "oxygen_forged_low"

    shift_percent: float

    def on_shown(self, scene: Scene) -> None:
        shown, steps = scene.of(self.outlet_id), scene.timeline.span(self.start, self.end)
        row = shown.factors.index(OXYGEN)
        sound = np.isin(shown.condition[row, steps], SOUND)
        for plane in (shown.avg, shown.min, shown.max):
            values = plane[row, steps]
            values[sound] = rounded(OXYGEN, (values - self.shift_percent).clip(0.3))[sound]


@dataclass(frozen=True, kw_only=True)
class HoursEdited(Act):
    """小时值篡改: hour means of the named factors are `share` of what their minutes give."""

    kind = "hours_edited"
    expected_rules = ("fabrication.hour_from_minutes",)

    share: float

    @property
    def severity(self) -> float:
        return 1.0 - self.share

    def on_hours(self, hours: slice, shown: Measured) -> None:
        for row in shown.rows(self.factors):
            code = shown.factors[row]
            if factor(code).kind != "pollutant":
                continue
            sound = np.isin(shown.condition[row, hours], SOUND)
            for plane in (shown.min, shown.avg, shown.max):
                values = plane[row, hours]
                values[sound] = rounded(code, values * self.share)[sound]
