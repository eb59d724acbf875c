"""Trucks through the gates: more while the plant produces, each in and out once, fictional plates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from domain.clock import MICROSECONDS_PER_HOUR, MICROSECONDS_PER_MINUTE
from domain.registry import GateId
from simulators.noise import Dice, Floats
from simulators.timeline import STEPS_PER_HOUR, Timeline

#: (stage, fuel, plate colour, share of the fleet); stages of HJ 1321-2023: 0-6, D electric.
FLEET = (
    ("4", "diesel", "yellow", 0.08),
    ("5", "diesel", "yellow", 0.27),
    ("6", "diesel", "yellow", 0.33),
    ("6", "gas", "yellow", 0.17),
    ("D", "electric", "yellow_green", 0.15),
)
LETTERS = np.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ"))
SCHEMA: dict[str, pl.DataType] = {
    "gate_id": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "direction": pl.String(),
    "plate": pl.String(),
    "plate_color": pl.String(),
    "stage": pl.String(),
    "fuel": pl.String(),
    "cargo": pl.String(),
    "tonnes": pl.Float64(),
}


@dataclass(frozen=True)
class TrafficPlan:
    gates: tuple[GateId, ...]
    trucks_per_day: float
    cargoes_in: tuple[str, ...]
    cargoes_out: tuple[str, ...]


def drive(dice: Dice, timeline: Timeline, plan: TrafficPlan, activity: Floats) -> pl.DataFrame:
    """Passages of one site; `activity` is the mean load per step, 0 when all lines stand.

    Columns of the bundle's `passages` table, time as UTC datetime, sorted. A longer timeline begins with
    exactly the shorter one, but for trucks still inside at its end.
    """
    if not plan.gates:
        return pl.DataFrame(schema=SCHEMA)
    hour = timeline.hour_of_day()[::STEPS_PER_HOUR]
    busy = activity.reshape(-1, STEPS_PER_HOUR).mean(axis=1)
    day = 0.25 + np.exp(-(((hour - 9.5) / 2.8) ** 2)) + 0.9 * np.exp(-(((hour - 15.5) / 2.8) ** 2))
    rate = plan.trucks_per_day / 24 * (day / 0.79) * (0.12 + busy)
    visits = np.repeat(np.arange(timeline.hours), dice.of("visits").generator().poisson(rate))
    chance = dice.of("trucks").generator().random((visits.size, 8))
    arrival = (
        timeline.origin_us
        + visits * MICROSECONDS_PER_HOUR
        + (chance[:, 0] * 3600).astype(np.int64) * 1_000_000
    )
    stay = ((18 + 70 * chance[:, 1] ** 2) * MICROSECONDS_PER_MINUTE).astype(np.int64) // 1_000_000 * 1_000_000
    fleet = _fleet(dice.of("fleet"), size=max(12, round(plan.trucks_per_day * 3)))
    truck = np.arange(visits.size) % fleet.height  # in turns, so that no truck is twice inside
    delivers = chance[:, 2] < 0.6
    goods_in = np.array(plan.cargoes_in)[(chance[:, 3] * len(plan.cargoes_in)).astype(int)]
    goods_out = np.array(plan.cargoes_out)[(chance[:, 4] * len(plan.cargoes_out)).astype(int)]
    tonnes = np.round(18 + 16 * chance[:, 5], 1)
    gates = np.array(plan.gates)
    sides = []
    for direction, time, loaded, goods, gate in (
        ("in", arrival, delivers, goods_in, chance[:, 6]),
        ("out", arrival + stay, ~delivers, goods_out, chance[:, 7]),
    ):
        side = pl.DataFrame(
            {
                "gate_id": gates[(gate * gates.size).astype(int)],
                "time": pl.Series(time, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
                "direction": pl.repeat(direction, time.size, eager=True, dtype=pl.String),
                "cargo": pl.Series(goods, dtype=pl.String).set(pl.Series(~loaded), None),
                "tonnes": np.where(loaded, tonnes, 0.0),
            }
        )
        sides.append(pl.concat([side, fleet[truck]], how="horizontal").select(list(SCHEMA)))
    both = pl.concat(sides).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    return both.sort("time", "gate_id", "plate").unique(
        ["gate_id", "time", "plate", "direction"], maintain_order=True
    )


def _fleet(dice: Dice, size: int) -> pl.DataFrame:
    generator = dice.generator()
    kinds = generator.choice(len(FLEET), size, p=[share for *_, share in FLEET])
    numbers = generator.permutation(90_000)[:size] + 10_000
    letters = LETTERS[generator.integers(LETTERS.size, size=size)]
    plates = [f"澜{letter}{number}" for letter, number in zip(letters, numbers, strict=True)]
    stage, fuel, color = ([FLEET[kind][column] for kind in kinds] for column in range(3))
    return pl.DataFrame({"plate": plates, "plate_color": color, "stage": stage, "fuel": fuel})
