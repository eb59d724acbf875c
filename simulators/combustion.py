"""The gas in the stack: O2, flow, temperature, moisture, pressure, velocity.

Velocity and dry standard flow obey HJ 212-2017 Annex D eq. 30 and 31; everything else is a slow process
around the state of the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from simulators.industry import Industry
from simulators.load import Operation, State
from simulators.noise import Dice, Floats, autocorrelated
from simulators.timeline import Timeline

AIR_O2_PERCENT = 20.9
AMBIENT_PA = 100_800.0


@dataclass(frozen=True)
class FlueGas:
    """Per step; flow dry standard m³/s, temperature °C, pressure kPa against ambient, moisture and O2 %."""

    o2: Floats
    flow: Floats
    temperature: Floats
    moisture: Floats
    pressure: Floats
    velocity: Floats


def burn(dice: Dice, timeline: Timeline, industry: Industry, size: float, operation: Operation) -> FlueGas:
    """`size`: this line against the typical one of its industry."""
    steps = timeline.size
    on = operation.state != State.STOPPED
    o2 = (
        industry.o2_percent
        + industry.o2_slope
        * (industry.load_mean - np.where(on, operation.load, industry.load_mean)).clip(-0.5, 0.6)
        + autocorrelated(dice.of("o2 slow"), steps, 8.0, 0.30)
        + autocorrelated(dice.of("o2 fast"), steps, 0.4, 0.10)
    ).clip(0.8, 20.6)
    o2 = (o2 + (AIR_O2_PERCENT - o2) * operation.air).clip(0.5, 20.88)
    ripple = autocorrelated(dice.of("flow slow"), steps, 4.0, 0.025) + autocorrelated(
        dice.of("flow fast"), steps, 0.3, 0.012
    )
    flow = industry.flow_m3_s * size * operation.draught * (1 + ripple)
    ambient = ambient_temperature(dice, timeline)
    heat = np.select([operation.state == State.RUNNING, operation.state == State.STARTING], [1.0, 0.8], 0.0)
    heat = pl.Series(heat).ewm_mean(alpha=0.06, adjust=False).to_numpy()
    temperature = ambient + (industry.temperature_c - ambient) * heat * (0.94 + 0.06 * operation.load)
    temperature = temperature + autocorrelated(dice.of("temperature"), steps, 1.5, 0.6)
    moisture = 1.2 + (industry.moisture_percent - 1.2) * heat
    moisture = (moisture * (1 + autocorrelated(dice.of("moisture"), steps, 5.0, 0.03))).clip(0.3, 40)
    pressure = industry.pressure_kpa * (0.4 + 0.6 * operation.draught) + autocorrelated(
        dice.of("pressure"), steps, 0.5, 0.012
    )
    velocity = flow / (duct_area(industry, size) * _standard(temperature, pressure, moisture))
    return FlueGas(o2, flow, temperature, moisture, pressure, velocity)


def ambient_temperature(dice: Dice, timeline: Timeline) -> Floats:
    """°C outside: season, day and weather."""
    season = -np.cos(2 * np.pi * (timeline.day_of_year() - 20) / 365.2425)
    day = np.cos(2 * np.pi * (timeline.hour_of_day() - 15) / 24)
    weather = autocorrelated(dice.of("weather"), timeline.size, 40.0, 2.5)
    return np.asarray(17 + 11 * season + 4 * day + weather, np.float64)


def duct_area(industry: Industry, size: float) -> float:
    """m², so that full load runs at the usual velocity."""
    warm = np.array([industry.temperature_c])
    pressure, moisture = np.array([industry.pressure_kpa]), np.array([industry.moisture_percent])
    standard = float(_standard(warm, pressure, moisture)[0])
    return round(industry.flow_m3_s * size / (industry.velocity_m_s * standard), 2)


def _standard(temperature_c: Floats, pressure_kpa: Floats, moisture_percent: Floats) -> Floats:
    """Dry standard m³ in an actual m³, eq. 31."""
    absolute = (AMBIENT_PA + 1000 * pressure_kpa) / 101_325
    return np.asarray(273 / (273 + temperature_c) * absolute * (1 - moisture_percent / 100), np.float64)
