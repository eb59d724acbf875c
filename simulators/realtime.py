"""Minute by minute values inside ten-minute rows, for devices that send CN=2011.

Each instant lies between the least and the greatest value of its interval; folding follows the interval's own
ratio, so that a forged reference stays forged.
"""

from __future__ import annotations

import numpy as np

from domain.clock import MICROSECONDS_PER_MINUTE, Interval
from simulators.measured import rounded
from simulators.noise import Dice
from simulators.streams import Block

#: An instant strays from its mean by at most this share of the way to the extremes.
STRAY = 0.8


def realtime_of(seed: int, mn: str, minutes: Block) -> Block:
    """One value a minute; the wobble of an interval depends only on seed, device and time."""
    per_row = minutes.step_us // MICROSECONDS_PER_MINUTE
    wobble = np.empty((len(minutes.factors), minutes.size, per_row))
    for index, time_us in enumerate(minutes.times_us().tolist()):
        chance = Dice(seed, (mn, str(time_us))).generator()
        wobble[:, index] = chance.uniform(-STRAY, STRAY, (len(minutes.factors), per_row))
    avg, low, high = (plane[:, :, None] for plane in (minutes.avg, minutes.min, minutes.max))
    values = np.where(wobble < 0, avg + wobble * (avg - low), avg + wobble * (high - avg))
    shape = (len(minutes.factors), -1)
    values = values.reshape(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = np.where(minutes.avg > 0, minutes.converted_avg / minutes.avg, np.nan)
    converted = values * np.repeat(fold, per_row, axis=1)
    for row, code in enumerate(minutes.factors):
        values[row], converted[row] = rounded(code, values[row]), rounded(code, converted[row])
    nothing = np.full_like(values, np.nan)
    return Block(
        Interval.REALTIME,
        minutes.start_us,
        MICROSECONDS_PER_MINUTE,
        minutes.factors,
        values,
        nothing,
        nothing,
        converted,
        nothing,
        np.repeat(minutes.condition, per_row, axis=1),
        np.repeat(minutes.present, per_row),
    )
