"""Chance, seeded by name: each process has its own generator, so adding one changes no other.

Every draw runs along time, so a longer world begins with exactly the shorter one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dice:
    """A seed and a path of names; `of` goes one level down."""

    seed: int
    path: tuple[str, ...] = ()

    def of(self, *names: str) -> Dice:
        return Dice(self.seed, (*self.path, *names))

    def generator(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, *(zlib.crc32(name.encode()) for name in self.path)])


def autocorrelated(dice: Dice, size: int, hours: float, sd: float) -> Floats:
    """Stationary AR(1) noise of `size` ten-minute steps with correlation time `hours` and deviation `sd`.

    An exponentially weighted mean of white noise is an AR(1) process; polars runs it at memory speed.
    """
    phi = float(np.exp(-1.0 / (6.0 * hours)))
    white = dice.generator().standard_normal(size)
    scale = (1.0 - phi) / np.sqrt(1.0 - phi * phi)
    white[0] *= scale
    smooth = pl.Series(white).ewm_mean(alpha=1.0 - phi, adjust=False).to_numpy()
    return np.asarray(smooth * (sd / scale), np.float64)


@dataclass(frozen=True)
class Episode:
    """Steps `[first, last)` of something that comes and goes; `last` may lie beyond the timeline."""

    first: int
    last: int


def episodes(
    dice: Dice, size: int, gap_days: float, hours: float, spread: float, whole_hours: bool
) -> Iterator[Episode]:
    """Episodes with exponential gaps (mean `gap_days`), log-normal lengths (median `hours`, log sd `spread`).

    Whole hours: both ends lie on clock hours.
    """
    generator = dice.generator()
    unit = 6 if whole_hours else 1
    at = 0
    while True:
        at += max(unit, round(generator.exponential(gap_days) * 144 / unit) * unit)
        length = max(
            unit, round(hours * 6 * float(np.exp(spread * generator.standard_normal())) / unit) * unit
        )
        if at >= size:
            return
        yield Episode(at, at + length)
        at += length
