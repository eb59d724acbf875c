"""折算 to the reference oxygen: HJ 212-2017 eq. 28, C' = C (21 - O2_ref) / (21 - O2)."""

from __future__ import annotations

import numpy as np

from detectors.window import Floats
from domain.registry import FactorCode

OXYGEN = FactorCode("a19001")
MOISTURE = FactorCode("a01014")

AIR_O2_PERCENT = 21.0
#: At this oxygen and above the conversion is not defined: the probe sees air.
UNDEFINED_FROM_PERCENT = 20.9


def conversion_factor(o2_percent: Floats, reference_o2_percent: float) -> Floats:
    """Factor from measured to converted concentration; NaN where oxygen is missing, negative or air."""
    usable = (o2_percent >= 0) & (o2_percent < UNDEFINED_FROM_PERCENT)
    rest = np.where(usable, AIR_O2_PERCENT - o2_percent, np.nan)
    return (AIR_O2_PERCENT - reference_o2_percent) / rest
