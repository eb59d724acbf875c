"""Acts on the treatment: switched off, or turning without effect, while production runs."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.power import IDLE_SHARE
from simulators.streams import Floats
from simulators.tampering.act import Act


@dataclass(frozen=True, kw_only=True)
class TreatmentOff(Act):
    """治污停运: all units idle. `visible`: the stack shows it; else the CEMS is fed clean values."""

    kind = "treatment_off"
    expected_rules = ("bypass.treatment_off",)

    visible: bool = False

    def on_treatment(self, steps: slice, unit_kw: Floats, treated: Floats) -> None:
        unit_kw[:, steps] *= IDLE_SHARE
        if self.visible:
            treated[steps] = 0.15  # what the ducts and the gas itself still hold back


@dataclass(frozen=True, kw_only=True)
class TreatmentIdling(Act):
    """治污空转: units draw `power_share` of their usual power and do `treated_share` of their work."""

    kind = "treatment_idling"
    expected_rules = ("bypass.treatment_off",)

    power_share: float = 0.35
    treated_share: float = 1.0

    @property
    def severity(self) -> float:
        return 1.0 - self.power_share

    def on_treatment(self, steps: slice, unit_kw: Floats, treated: Floats) -> None:
        unit_kw[:, steps] *= self.power_share
        treated[steps] *= self.treated_share
