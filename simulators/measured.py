"""What an analyser shows, before a device folds and totals it; and the hour means made of it.

`Measured` is the working copy that acts change; `finish` turns it into the rows a device sends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.clock import VALID_MINUTES_PER_HOUR, Interval
from domain.registry import FactorCode
from domain.standards import CONDITION_CODES, Condition, factor
from simulators.combustion import AIR_O2_PERCENT
from simulators.streams import Block, Conditions, Floats
from simulators.timeline import STEP_MINUTES, STEPS_PER_HOUR

FLOW, OXYGEN = FactorCode("a00000"), FactorCode("a19001")

#: Conditions whose values are measurements of the gas (they count when means are made and values folded).
SOUND = tuple(
    CONDITION_CODES[c]
    for c in (Condition.VALID, Condition.OVER_RANGE, Condition.STARTING, Condition.STOPPING)
)
#: What an hour without 45 valid minutes is called, when several causes took the same time: the first.
CAUSES = tuple(
    CONDITION_CODES[c]
    for c in (
        Condition.FAULT,
        Condition.MAINTENANCE,
        Condition.CALIBRATION,
        Condition.STARTING,
        Condition.STOPPING,
        Condition.STOPPED,
        Condition.MISSING,
    )
)
#: States of the source: an hour is called so only when they held for 45 minutes of it.
STATES = tuple(CONDITION_CODES[c] for c in (Condition.STARTING, Condition.STOPPING, Condition.STOPPED))
VALID, MISSING = CONDITION_CODES[Condition.VALID], CONDITION_CODES[Condition.MISSING]


@dataclass(frozen=True)
class Measured:
    """Planes (factors, intervals) of one outlet, rounded as shown; acts write into them."""

    factors: tuple[FactorCode, ...]
    avg: Floats
    min: Floats
    max: Floats
    condition: Conditions
    present: npt.NDArray[np.bool_]

    def rows(self, factors: tuple[FactorCode, ...]) -> list[int]:
        """Row indices of these factors, of all for an empty tuple. Raises ValueError on an unknown one."""
        return [self.factors.index(f) for f in factors] if factors else list(range(len(self.factors)))

    def copy(self) -> Measured:
        return Measured(
            self.factors,
            self.avg.copy(),
            self.min.copy(),
            self.max.copy(),
            self.condition.copy(),
            self.present.copy(),
        )


def rounded(code: FactorCode, values: Floats) -> Floats:
    """To the decimals of the factor."""
    return np.round(values, factor(code).decimals) + 0.0


def hour_means(minutes: Measured) -> Measured:
    """HJ 75-2017 and HJ 212-2017 Annex D eq. 24: the mean of the valid minutes, N with at least 45 of them.

    Below that the hour takes a state of the source that held as long, else what cost most of it (a standing
    source stays F when rows are missing), and the mean of what was measured at all.
    """
    shape = (len(minutes.factors), -1, STEPS_PER_HOUR)
    avg, low, high = (plane.reshape(shape) for plane in (minutes.avg, minutes.min, minutes.max))
    condition = minutes.condition.reshape(shape)
    valid = np.isin(condition, SOUND[:2])
    enough = np.asarray(valid.sum(axis=2) * STEP_MINUTES >= VALID_MINUTES_PER_HOUR)
    sound = np.isin(condition, SOUND)
    anything = np.where(sound.any(axis=2, keepdims=True), sound, condition != MISSING)
    used = np.where(enough[:, :, None], valid, anything)
    count = used.sum(axis=2)
    mean = np.where(used, avg, 0.0).sum(axis=2) / np.maximum(count, 1)
    means = np.where(count > 0, mean, np.nan)
    lowest = np.where(count > 0, np.where(used, low, np.inf).min(axis=2), np.nan)
    highest = np.where(count > 0, np.where(used, high, -np.inf).max(axis=2), np.nan)
    spent = np.stack([(condition == cause).sum(axis=2) for cause in CAUSES])
    too_short = (spent * STEP_MINUTES < VALID_MINUTES_PER_HOUR) & np.isin(CAUSES, STATES)[:, None, None]
    spent[too_short] = 0
    gone = condition == MISSING
    standing = (gone | (condition == STATES[-1])).all(axis=2) & ~gone.all(axis=2)
    worst = np.where(standing, STATES[-1], np.array(CAUSES, np.uint8)[spent.argmax(axis=0)])
    for row, code in enumerate(minutes.factors):
        means[row] = rounded(code, means[row])
    return Measured(
        minutes.factors,
        means,
        np.minimum(lowest, means),
        np.maximum(highest, means),
        np.where(enough, VALID, worst).astype(np.uint8),
        np.logical_or.reduce(minutes.present.reshape(-1, STEPS_PER_HOUR), axis=1),
    )


def finish(
    measured: Measured, interval: Interval, start_us: int, step_us: int, reference_o2: Floats | None
) -> Block:
    """Fold (Annex D eq. 28) and total (eq. 33), both from the rounded values as devices do.

    `reference_o2`: the percentage the device folds to, per interval; None where nothing is folded. No folding
    without sound O2 below that of air.
    """
    converted = np.full_like(measured.avg, np.nan)
    total = np.full_like(measured.avg, np.nan)
    seconds = step_us / 1e6
    sound = np.isin(measured.condition, SOUND)
    flow = measured.factors.index(FLOW)
    fold = None
    if reference_o2 is not None and OXYGEN in measured.factors:
        oxygen = measured.factors.index(OXYGEN)
        usable = sound[oxygen] & (measured.avg[oxygen] < AIR_O2_PERCENT - 0.05)
        fold = np.where(
            usable, (21 - reference_o2) / (21 - np.where(usable, measured.avg[oxygen], 0)), np.nan
        )
    total[flow] = np.round(measured.avg[flow] * seconds, 1)
    for row, code in enumerate(measured.factors):
        known = factor(code)
        if known.kind != "pollutant":
            continue
        total[row] = np.round(measured.avg[row] * measured.avg[flow] * seconds * 1e-6, 5)
        if fold is not None and known.converted:
            converted[row] = rounded(code, measured.avg[row] * fold)
    return Block(
        interval,
        start_us,
        step_us,
        measured.factors,
        measured.avg,
        measured.min,
        measured.max,
        converted,
        total,
        measured.condition,
        measured.present,
    )
